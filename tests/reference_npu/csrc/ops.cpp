// Operators. A handful are native; every other one is computed by its CPU kernel on the device's
// queue: the shapes of its results are inferred on meta tensors, results are allocated, the work is
// submitted, and the call returns.
#include "calls.h"
#include "device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include <optional>
#include <vector>

namespace refnpu {
namespace {

// The same memory as the device's own thread sees it.
Tensor worker_view(const Tensor& tensor) {
  const auto options = tensor.options().device(at::kCPU).pinned_memory(false);
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  return at::from_blob(
      worker_address(tensor.const_data_ptr()), tensor.sizes(), tensor.strides(), options);
}

// A value of the host as it is now: the program may change it before the queue gets there.
Tensor snapshot(const Tensor& tensor) {
  Tensor copy = tensor.clone();
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) {
    copy.unsafeGetTensorImpl()->set_wrapped_number(true);
  }
  return copy;
}

Tensor on_worker(const Tensor& tensor) {
  return is_ours(tensor) ? worker_view(tensor) : snapshot(tensor);
}

// One device for all tensors; host tensors only as scalars or as indices, as on any accelerator.
c10::DeviceIndex common_device(const c10::FunctionSchema& schema, at::ArrayRef<IValue> arguments) {
  std::optional<at::Device> device;
  const bool indexes = schema.name().find("index") != std::string::npos;
  for (const IValue& argument : arguments) {
    for_each_tensor(argument, [&](const Tensor& tensor) {
      if (!is_ours(tensor)) {
        TORCH_CHECK(
            tensor.dim() == 0 || indexes, schema.name(),
            ": expected all tensors to be on the same device, but found one on ", tensor.device());
      } else {
        TORCH_CHECK(
            device.value_or(tensor.device()) == tensor.device(), schema.name(),
            ": expected all tensors to be on the same device, but found ", *device, " and ",
            tensor.device());
        device = tensor.device();
      }
    });
  }
  return device ? device->index() : current_device();
}

// Device memory for one result, shaped as a meta or CPU tensor shows.
Tensor like(const Tensor& shape, c10::DeviceIndex index) {
  return at::empty_strided(
      shape.sizes(), shape.strides(), shape.options().device(at::Device(kType, index)));
}

// Puts the results of a call on the program's stack: what was written to, or new device memory for
// the tensors that `shapes` shows. Returns the worker's views of the new memory, in order; undefined
// where a result needs no copy.
std::vector<Tensor> push_results(
    const c10::FunctionSchema& schema, at::ArrayRef<IValue> arguments, const Stack& shapes,
    c10::DeviceIndex index, Stack* stack) {
  std::vector<Tensor> views;
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (const auto argument = written_argument(schema, i)) {
      for_each_tensor(shapes[i], [&](const Tensor&) { views.emplace_back(); });
      stack->push_back(arguments[*argument]);
      continue;
    }
    stack->push_back(replaced(shapes[i], at::Device(kType, index), [&](const Tensor& shape) {
      const Tensor result = like(shape, index);
      views.push_back(worker_view(result));
      return result;
    }));
  }
  return views;
}

// Runs on the queue: copies what the CPU kernel returned into device memory.
void deliver(const Stack& results, const std::vector<Tensor>& views) {
  size_t next = 0;
  for (const IValue& result : results) {
    for_each_tensor(result, [&](const Tensor& tensor) {
      const Tensor& view = views.at(next++);
      // Empty: statistics that only training needs, which CPU kernels leave out.
      if (!view.defined() || tensor.numel() == 0) return;
      TORCH_CHECK(
          view.sizes() == tensor.sizes(), "the CPU kernel gave ", tensor.sizes(),
          " where the meta kernel said ", view.sizes());
      view.copy_(tensor);
    });
  }
}

void run(const c10::OperatorHandle& op, Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const auto arguments = torch::jit::pop(*stack, schema.arguments().size());
  const c10::DeviceIndex index = common_device(schema, arguments);
  const std::optional<Stack> shapes = infer_shapes(op, arguments);
  const auto values = std::make_shared<Stack>(replaced_all(arguments, at::kCPU, on_worker));
  if (shapes) {
    const auto views = push_results(schema, arguments, *shapes, index, stack);
    queue(index).submit([op, values, views] {
      op.callBoxed(*values);
      deliver(*values, views);
    });
  } else {  // the call must finish before its results can be described
    queue(index).wait(queue(index).submit([op, values] { op.callBoxed(*values); }));
    const auto views = push_results(schema, arguments, *values, index, stack);
    queue(index).submit([values, views] { deliver(*values, views); });
  }
}

Tensor empty(
    at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
    std::optional<at::Device> device, std::optional<bool>,
    std::optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(
      size, &allocator(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
      c10::dtype_or_default(dtype), format);
}

Tensor empty_strided(
    at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
    std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(
      size, stride, &allocator(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
      c10::dtype_or_default(dtype));
}

// Backs `copy_` and `to`: host to device takes the host's values as they are now and returns at
// once; device to host waits, non_blocking or not, because host memory here is never pinned.
Tensor copy_from(const Tensor& from, const Tensor& to, bool /*non_blocking*/) {
  const Tensor source = on_worker(from);
  if (!is_ours(to)) {
    Queue& sender = queue(from.device().index());
    sender.wait(sender.submit([=] { to.copy_(source); }));
    return to;
  }
  const Tensor destination = worker_view(to);
  Queue& receiver = queue(to.device().index());
  if (is_ours(from) && from.device() != to.device()) {
    Queue& sender = queue(from.device().index());
    sender.wait(sender.last());
    receiver.wait(receiver.submit([=] { destination.copy_(source); }));
  } else {
    receiver.submit([=] { destination.copy_(source); });
  }
  return to;
}

}  // namespace

void resize_storage(const c10::Storage& storage, size_t bytes) {
  const c10::DeviceGuard guard(storage.device());
  c10::DataPtr data = allocator().allocate(bytes);
  if (const size_t kept = std::min(bytes, storage.nbytes())) {
    allocator().copy_data(data.get(), storage.data(), kept);
  }
  storage.set_data_ptr_noswap(std::move(data));
  storage.set_nbytes(bytes);
}

namespace {

const Tensor& resize(
    const Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat> format) {
  c10::TensorImpl* impl = self.unsafeGetTensorImpl();
  const size_t bytes = at::detail::computeStorageNbytesContiguous(
      size, self.dtype().itemsize(), self.storage_offset());
  if (bytes > self.storage().nbytes()) resize_storage(self.storage(), bytes);
  impl->set_sizes_contiguous(size);
  if (format) impl->empty_tensor_restride(*format);
  return self;
}

Tensor& set_storage(
    Tensor& self, at::Storage storage, int64_t offset, at::IntArrayRef size,
    at::IntArrayRef stride) {
  at::native::checkSetStorage(self, storage, offset, size, stride);
  self.unsafeGetTensorImpl()->set_storage_offset(offset);
  self.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride);
  return self;
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("resize_", &resize);
  library.impl("set_.source_Storage_storage_offset", &set_storage);
  library.impl("set_.source_Tensor", &at::native::set_tensor_);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("unfold", &at::native::unfold);
  // These would otherwise be taken apart into many small operators, or refused.
  for (const char* whole : {"convolution", "native_layer_norm", "native_group_norm"}) {
    library.impl(whole, torch::CppFunction::makeFromBoxedFunction<&run>());
  }
}

}  // namespace

}  // namespace refnpu
