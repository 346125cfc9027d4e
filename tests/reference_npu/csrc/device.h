// A reference accelerator: two devices, each with memory the host cannot touch and one in-order
// queue worked off by its own thread. What a vendor's runtime would provide is declared here.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>
#include <c10/core/Storage.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace refnpu {

constexpr c10::DeviceType kType = c10::DeviceType::PrivateUse1;
constexpr c10::DeviceIndex kDevices = 2;

c10::DeviceIndex current_device();
void set_current_device(c10::DeviceIndex index);

// In-order queue of one device.
class Queue {
 public:
  using Ticket = uint64_t;

  Queue();
  // Returns before the work is done. Blocks only while the queue is full.
  Ticket submit(std::function<void()> work);
  // Returns when that work and all before it is done; throws what any of it threw.
  void wait(Ticket ticket);
  Ticket last() const;
  bool done(Ticket ticket) const;

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

Queue& queue(c10::DeviceIndex index);

// What a program calls to wait. With REFNPU_EARLY_SYNC=1 these lie: they return at once.
void synchronize(c10::DeviceIndex index);
void synchronize(c10::DeviceIndex index, Queue::Ticket ticket);

c10::DeviceAllocator& allocator();

// Where the device's own thread sees what the host knows as `device_pointer`.
void* worker_address(const void* device_pointer);
c10::DeviceIndex device_of(const void* device_pointer);

// For tests of order: work of the device stops behind a gate until it is released.
void hold(c10::DeviceIndex index);
void release();

void resize_storage(const c10::Storage& storage, size_t bytes);

}  // namespace refnpu
