#include "device.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/python_headers.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace refnpu {
namespace {

constexpr size_t kDepth = 4096;  // launches a program may be ahead of the device

thread_local c10::DeviceIndex current = 0;

// Whoever waits must not hold Python's lock: work on the queue may need it to finish.
class WithoutGil {
 public:
  WithoutGil() : state_(PyGILState_Check() ? PyEval_SaveThread() : nullptr) {}
  ~WithoutGil() {
    if (state_) PyEval_RestoreThread(state_);
  }
  WithoutGil(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

// What each launch takes beside its work: a device that is slower than the host on any machine.
std::chrono::microseconds launch_time() {
  const char* value = std::getenv("REFNPU_LAUNCH_US");
  return std::chrono::microseconds(value ? std::atoi(value) : 0);
}

bool lies() {
  const char* value = std::getenv("REFNPU_EARLY_SYNC");
  return value && std::strcmp(value, "1") == 0;
}

}  // namespace

c10::DeviceIndex current_device() { return current; }

namespace {

struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool closed = false;
};

Gate& gate() {
  static auto* one = new Gate;  // never destroyed: a queue's thread may still stand before it
  return *one;
}

}  // namespace

void hold(c10::DeviceIndex index) {
  {
    std::lock_guard<std::mutex> lock(gate().mutex);
    gate().closed = true;
  }
  queue(index).submit([] {
    std::unique_lock<std::mutex> lock(gate().mutex);
    gate().changed.wait(lock, [] { return !gate().closed; });
  });
}

void release() {
  std::lock_guard<std::mutex> lock(gate().mutex);
  gate().closed = false;
  gate().changed.notify_all();
}

void set_current_device(c10::DeviceIndex index) {
  TORCH_CHECK(index >= 0 && index < kDevices, "refnpu has no device ", int(index));
  current = index;
}

struct Queue::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> waiting;
  Ticket submitted = 0;
  Ticket finished = 0;
  std::exception_ptr failure;

  void work() {
    const auto launch = launch_time();
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    at::NoGradGuard no_grad;
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return !waiting.empty(); });
      std::function<void()> next = std::move(waiting.front());
      waiting.pop_front();
      lock.unlock();
      std::exception_ptr thrown;
      try {
        next();
      } catch (...) {  // whatever a kernel throws is reported at the next wait
        thrown = std::current_exception();
      }
      if (launch.count() > 0) std::this_thread::sleep_for(launch);
      next = nullptr;  // drops what the work held before it counts as finished
      lock.lock();
      if (thrown && !failure) failure = thrown;
      ++finished;
      changed.notify_all();
    }
  }
};

Queue::Queue() : state_(std::make_shared<State>()) {
  // Detached, and its state is never destroyed while it runs: the process may exit at any time.
  std::thread([state = state_] { state->work(); }).detach();
}

Queue::Ticket Queue::submit(std::function<void()> work) {
  WithoutGil no_gil;
  std::unique_lock<std::mutex> lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->waiting.size() < kDepth; });
  state_->waiting.push_back(std::move(work));
  state_->changed.notify_all();
  return ++state_->submitted;
}

void Queue::wait(Ticket ticket) {
  WithoutGil no_gil;
  std::unique_lock<std::mutex> lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->finished >= ticket; });
  if (std::exception_ptr failure = std::exchange(state_->failure, nullptr)) {
    std::rethrow_exception(failure);
  }
}

Queue::Ticket Queue::last() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->submitted;
}

bool Queue::done(Ticket ticket) const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->finished >= ticket;
}

Queue& queue(c10::DeviceIndex index) {
  static auto* queues = new std::array<Queue, kDevices>;
  return queues->at(index);
}

void synchronize(c10::DeviceIndex index, Queue::Ticket ticket) {
  if (!lies()) queue(index).wait(ticket);
}

void synchronize(c10::DeviceIndex index) { synchronize(index, queue(index).last()); }

}  // namespace refnpu
