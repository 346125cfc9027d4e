#include "calls.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/empty_strided.h>

#include <exception>
#include <mutex>
#include <sstream>
#include <string>
#include <unordered_map>

namespace refnpu {
namespace {

constexpr size_t kRemembered = 4096;

Tensor on_meta(const Tensor& tensor) {
  if (!is_ours(tensor) && tensor.dim() == 0) return tensor;
  return at::empty_strided(
      tensor.sizes(), tensor.strides(), tensor.options().device(at::kMeta).pinned_memory(false));
}

// Whether results could be described before they are computed.
bool only_tensors(const c10::FunctionSchema& schema) {
  for (const c10::Argument& result : schema.returns()) {
    const c10::TypePtr& type = result.type();
    if (!type->isSubtypeOf(*c10::TensorType::get()) &&
        !type->isSubtypeOf(*c10::ListType::ofTensors())) {
      return false;
    }
  }
  return true;
}

std::optional<Stack> infer(const c10::OperatorHandle& op, at::ArrayRef<IValue> arguments) {
  if (!only_tensors(op.schema()) || !op.hasComputedKernelForDispatchKey(c10::DispatchKey::Meta)) {
    return std::nullopt;
  }
  Stack stack = replaced_all(arguments, at::kMeta, on_meta);
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  try {
    op.callBoxed(stack);
  } catch (const std::exception&) {
    // Either the shapes depend on data, or the call is wrong: the CPU kernel tells which.
    return std::nullopt;
  }
  return stack;
}

// All that the shapes of the results can depend on.
std::string signature(const c10::OperatorHandle& op, at::ArrayRef<IValue> arguments) {
  std::ostringstream text;
  text << op.operator_name();
  for (const IValue& argument : arguments) {
    text << ';';
    if (argument.isTensor() || argument.isTensorList() || argument.isOptionalTensorList()) {
      for_each_tensor(argument, [&](const Tensor& tensor) {
        text << tensor.scalar_type() << tensor.sizes() << tensor.strides() << is_ours(tensor)
             << tensor.unsafeGetTensorImpl()->is_wrapped_number();
      });
    } else {
      text << argument;
    }
  }
  return text.str();
}

// As `infer`, once for each signature: many meta kernels are Python and take longer than the work.
std::optional<Stack> remembered(const c10::OperatorHandle& op, at::ArrayRef<IValue> arguments) {
  static std::mutex mutex;
  static auto* known = new std::unordered_map<std::string, std::optional<Stack>>;
  const std::string key = signature(op, arguments);
  {
    const std::lock_guard<std::mutex> lock(mutex);
    const auto found = known->find(key);
    if (found != known->end()) return found->second;
  }
  const std::optional<Stack> shapes = infer(op, arguments);
  const std::lock_guard<std::mutex> lock(mutex);
  if (known->size() >= kRemembered) known->clear();
  known->emplace(key, shapes);
  return shapes;
}

}  // namespace

std::optional<size_t> written_argument(const c10::FunctionSchema& schema, size_t result) {
  const c10::AliasInfo* alias = schema.returns()[result].alias_info();
  if (!alias) return std::nullopt;
  TORCH_CHECK(alias->isWrite(), schema.name(), " makes a view, which refnpu does not implement");
  for (size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::AliasInfo* other = schema.arguments()[i].alias_info();
    if (other && *other == *alias) return i;
  }
  TORCH_CHECK(false, schema.name(), " returns what it was not given");
}

std::optional<Stack> infer_shapes(const c10::OperatorHandle& op, at::ArrayRef<IValue> arguments) {
  const std::optional<Stack> shapes = remembered(op, arguments);
  if (!shapes) return std::nullopt;
  for (size_t i = 0; i < shapes->size(); ++i) {
    const auto argument = written_argument(op.schema(), i);
    if (!argument || !(*shapes)[i].isTensor()) continue;
    const Tensor& destination = arguments[*argument].toTensor();
    const at::IntArrayRef sizes = (*shapes)[i].toTensor().sizes();
    if (destination.sizes() != sizes) destination.resize_(sizes);
  }
  return shapes;
}

}  // namespace refnpu
