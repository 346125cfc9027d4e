// Boxed calls: walking their tensors, and knowing what shape their results will have.
#pragma once

#include "device.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>

#include <optional>

namespace refnpu {

using at::Tensor;
using c10::IValue;
using Stack = torch::jit::Stack;

inline bool is_ours(const Tensor& tensor) { return tensor.device().type() == kType; }

template <class Visit>
void for_each_tensor(const IValue& value, Visit visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isTensorList()) {
    for (const Tensor& tensor : value.toTensorVector()) visit(tensor);
  } else if (value.isOptionalTensorList()) {
    for (const std::optional<Tensor>& item : value.toOptionalTensorVector()) {
      if (item && item->defined()) visit(*item);
    }
  }
}

// The value with every tensor replaced and every device argument set.
template <class Change>
IValue replaced(const IValue& value, at::Device device, Change change) {
  if (value.isTensor()) return value.toTensor().defined() ? IValue(change(value.toTensor())) : value;
  if (value.isDevice()) return IValue(device);
  if (value.isTensorList()) {
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorVector()) list.push_back(change(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<Tensor>> list;
    for (const std::optional<Tensor>& item : value.toOptionalTensorVector()) {
      list.push_back(item && item->defined() ? std::optional(change(*item)) : std::nullopt);
    }
    return list;
  }
  return value;
}

template <class Change>
Stack replaced_all(at::ArrayRef<IValue> values, at::Device device, Change change) {
  Stack stack;
  for (const IValue& value : values) stack.push_back(replaced(value, device, change));
  return stack;
}

// The argument that a result is, for in-place and out= operators.
std::optional<size_t> written_argument(const c10::FunctionSchema& schema, size_t result);

// Results on meta tensors; none where they depend on data or are not tensors. Gives destinations of
// out= operators the shape of their result.
std::optional<Stack> infer_shapes(const c10::OperatorHandle& op, at::ArrayRef<IValue> arguments);

}  // namespace refnpu
