// What makes torch know the device: guard, events, hooks and allocator.
#include "device.h"

#include <ATen/Context.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/python_headers.h>

#include <chrono>

namespace refnpu {
namespace {

using Clock = std::chrono::steady_clock;

struct Event {
  c10::DeviceIndex device = 0;
  Queue::Ticket ticket = 0;
  std::shared_ptr<Clock::time_point> reached = std::make_shared<Clock::time_point>();
};

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kType; }
  c10::Device getDevice() const override { return {kType, current_device()}; }
  void setDevice(c10::Device device) const override { set_current_device(device.index()); }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0 && device.index() < kDevices) set_current_device(device.index());
  }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device previous = getDevice();
    setDevice(device);
    return previous;
  }
  c10::DeviceIndex deviceCount() const noexcept override { return kDevices; }

  // One stream a device.
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getDefaultStream(c10::Device device) const override { return getStream(device); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return getStream(stream.device());
  }
  bool queryStream(const c10::Stream& stream) const override {
    Queue& work = queue(stream.device_index());
    return work.done(work.last());
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    synchronize(stream.device_index());
  }
  void synchronizeDevice(c10::DeviceIndex index) const override { synchronize(index); }

  void record(
      void** handle, const c10::Stream& stream, c10::DeviceIndex,
      c10::EventFlag) const override {
    if (!*handle) *handle = new Event;
    auto* event = static_cast<Event*>(*handle);
    event->device = stream.device_index();
    event->reached = std::make_shared<Clock::time_point>();
    event->ticket = queue(event->device).submit([at = event->reached] { *at = Clock::now(); });
  }
  void block(void* handle, const c10::Stream& stream) const override {
    auto* event = static_cast<Event*>(handle);
    if (event->device != stream.device_index()) queue(event->device).wait(event->ticket);
  }
  bool queryEvent(void* handle) const override {
    auto* event = static_cast<Event*>(handle);
    return !event || queue(event->device).done(event->ticket);
  }
  void synchronizeEvent(void* handle) const override {
    if (auto* event = static_cast<Event*>(handle)) synchronize(event->device, event->ticket);
  }
  double elapsedTime(void* first, void* second, c10::DeviceIndex) const override {
    TORCH_CHECK(first && second && queryEvent(first) && queryEvent(second),
                "both events must be recorded and done before their time is read");
    const auto elapsed =
        *static_cast<Event*>(second)->reached - *static_cast<Event*>(first)->reached;
    return std::chrono::duration<double, std::milli>(elapsed).count();
  }
  void destroyEvent(void* handle, c10::DeviceIndex) const noexcept override {
    delete static_cast<Event*>(handle);
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return kDevices; }
  c10::DeviceIndex getCurrentDevice() const override { return current_device(); }
  void setCurrentDevice(c10::DeviceIndex index) const override { set_current_device(index); }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex index) const override {
    const c10::DeviceIndex previous = current_device();
    set_current_device(index);
    return previous;
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex index) const override {
    return index < 0 ? current_device() : exchangeDevice(index);
  }
  at::Device getDeviceFromPtr(void* data) const override { return {kType, device_of(data)}; }
  // Copies from the host always take a snapshot, so ordinary memory is as good as pinned memory.
  c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
  // Random numbers are drawn by CPU kernels.
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    resize_storage(storage, bytes);
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

PyObject* drain(PyObject*, PyObject*) {
  try {
    for (c10::DeviceIndex i = 0; i < kDevices; ++i) queue(i).wait(queue(i).last());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* hold_current(PyObject*, PyObject*) {
  hold(current_device());
  Py_RETURN_NONE;
}

PyObject* release_all(PyObject*, PyObject*) {
  release();
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"drain", drain, METH_NOARGS, "Wait until every queue is empty, in the dishonest mode too."},
    {"hold", hold_current, METH_NOARGS, "Let the current device do nothing more until `release`."},
    {"release", release_all, METH_NOARGS, "Let what is held go on."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace
}  // namespace refnpu

PyMODINIT_FUNC PyInit__C() {
  c10::SetAllocator(refnpu::kType, &refnpu::allocator());
  at::RegisterPrivateUse1HooksInterface(new refnpu::Hooks);
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, refnpu::functions};
  return PyModule_Create(&definition);
}
