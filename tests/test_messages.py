"""Messages are found in code by how they are written."""

from __future__ import annotations

import ast

from tests.messages import english, literals, messages


def test_templates_of_expressions() -> None:
    def of(code: str) -> list[str]:
        return [one.template for one in literals(ast.parse(code, mode="eval").body)]

    assert of("'plain'") == ["plain"]
    assert of("f'no {x} is {y!r:>5}'") == ["no {} is {}"]
    assert of("f'{{braces}} {x}'") == ["{{braces}} {}"]
    assert of("'a' if b else f'c{d}'") == ["a", "c{}"]
    assert of("'one; ' f'two {x}'") == ["one; two {}"]
    assert of("'one ' + x") == ["one {}"]
    assert of("x") == of("''") == []


def test_gaps_are_the_expressions_in_them() -> None:
    (found,) = literals(ast.parse("f'no {a.b}: ' + f'{str(error)}' + c", mode="eval").body)
    assert found == ("no {}: {}{}", ("a.b", "str(error)", "c"))


def test_short_messages_are_found_where_they_are_said() -> None:
    templates = {message.template for message in messages()}
    assert {"pass", "lightweight", "crashed", "{} threads", "checking {}", "raised {}"} <= templates


def test_english_sentences_are_found() -> None:
    assert english("没有 it sees no device 设备") == ["it sees no device"]
    assert english("没有 it sees no device 设备", "it sees no device") == []
    assert english("请用 'swapoff -a now then on'；pip install torch torch npu；Intel GPU") == []
