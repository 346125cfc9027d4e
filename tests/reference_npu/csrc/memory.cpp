#include "device.h"

#include <c10/util/Exception.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace refnpu {
namespace {

constexpr size_t kAlignment = 512;

size_t capacity() {
  const char* text = std::getenv("REFNPU_MEMORY_MIB");
  return (text ? std::strtoull(text, nullptr, 10) : 4096) << 20;
}

// The memory of one device: the same pages mapped twice. The host is given addresses in the mapping
// that faults on any access, so that nothing but the device's queue can read or write it.
class Arena {
 public:
  Arena() : size_(capacity()) {
    const int file = memfd_create("refnpu", MFD_CLOEXEC);
    TORCH_CHECK(file >= 0 && ftruncate(file, size_) == 0, "refnpu cannot reserve its memory");
    device_ = map(file, PROT_NONE);
    worker_ = map(file, PROT_READ | PROT_WRITE);
    close(file);
    free_[0] = size_;
  }

  // Freed ranges are reused at once, while kernels that read them may still be queued: the queue
  // is in order, so whatever writes the range next runs after them.
  void* allocate(size_t bytes, c10::DeviceIndex index) {
    const size_t want = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto range = free_.begin(); range != free_.end(); ++range) {
      if (range->second < want) continue;
      const auto [offset, length] = *range;
      free_.erase(range);
      if (length > want) free_[offset + want] = length - want;
      used_[offset] = want;
      for (auto* total : {&stats_.allocated_bytes, &stats_.active_bytes, &stats_.reserved_bytes}) {
        total->at(0).increase(want);
      }
      stats_.allocation[0].increase(1);
      ++stats_.num_device_alloc;
      return device_ + offset;
    }
    ++stats_.num_ooms;
    TORCH_CHECK_WITH(
        OutOfMemoryError, false, "refnpu:", int(index), " is out of memory: tried to allocate ",
        bytes, " bytes, ", size_ - stats_.allocated_bytes[0].current, " of ", size_, " are free");
  }

  void release(void* pointer) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto used = used_.find(static_cast<char*>(pointer) - device_);
    TORCH_INTERNAL_ASSERT(used != used_.end());
    const size_t bytes = used->second;
    auto range = free_.emplace(used->first, bytes).first;
    used_.erase(used);
    const auto next = std::next(range);
    if (next != free_.end() && range->first + range->second == next->first) {
      range->second += next->second;
      free_.erase(next);
    }
    if (range != free_.begin()) {
      const auto before = std::prev(range);
      if (before->first + before->second == range->first) {
        before->second += range->second;
        free_.erase(range);
      }
    }
    for (auto* total : {&stats_.allocated_bytes, &stats_.active_bytes, &stats_.reserved_bytes}) {
      total->at(0).decrease(bytes);
    }
    stats_.allocation[0].decrease(1);
    ++stats_.num_device_free;
  }

  bool holds(const void* pointer) const { return pointer >= device_ && pointer < device_ + size_; }
  void* worker(const void* pointer) const {
    return worker_ + (static_cast<const char*>(pointer) - device_);
  }
  size_t size() const { return size_; }

  template <class Visit>
  auto with_stats(Visit visit) {
    std::lock_guard<std::mutex> lock(mutex_);
    return visit(stats_);
  }

 private:
  char* map(int file, int protection) {
    void* base = mmap(nullptr, size_, protection, MAP_SHARED | MAP_NORESERVE, file, 0);
    TORCH_CHECK(base != MAP_FAILED, "refnpu cannot map its memory");
    return static_cast<char*>(base);
  }

  size_t size_;
  char* device_;
  char* worker_;
  std::mutex mutex_;
  std::map<size_t, size_t> free_;
  std::map<size_t, size_t> used_;
  c10::CachingDeviceAllocator::DeviceStats stats_;
};

Arena& arena(c10::DeviceIndex index) {
  TORCH_CHECK(index >= 0 && index < kDevices, "refnpu has no device ", int(index));
  static auto* arenas = new std::array<Arena, kDevices>;  // outlives every tensor
  return arenas->at(index);
}

void release(void* pointer) {
  if (pointer) arena(device_of(pointer)).release(pointer);
}

struct Allocator final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t bytes) override {
    const c10::DeviceIndex index = current_device();
    void* pointer = bytes ? arena(index).allocate(bytes, index) : nullptr;
    return {pointer, pointer, &release, c10::Device(kType, index)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    queue(device_of(to)).submit([=] {
      std::memcpy(worker_address(to), worker_address(from), bytes);
    });
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}  // freed ranges are free at once
  void recordStream(const c10::DataPtr&, c10::Stream) override {}  // there is one stream
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    return arena(index).with_stats([](auto& stats) { return stats; });
  }
  void resetAccumulatedStats(c10::DeviceIndex index) override {
    arena(index).with_stats([](auto& stats) {
      for (auto* total : totals(stats)) total->at(0).reset_accumulated();
    });
  }
  void resetPeakStats(c10::DeviceIndex index) override {
    arena(index).with_stats([](auto& stats) {
      for (auto* total : totals(stats)) total->at(0).reset_peak();
    });
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    const size_t size = arena(index).size();
    return {size - getDeviceStats(index).allocated_bytes[0].current, size};
  }

 private:
  static std::array<c10::CachingDeviceAllocator::StatArray*, 4> totals(
      c10::CachingDeviceAllocator::DeviceStats& stats) {
    return {&stats.allocated_bytes, &stats.active_bytes, &stats.reserved_bytes, &stats.allocation};
  }
};

}  // namespace

c10::DeviceAllocator& allocator() {
  static auto* instance = new Allocator;
  return *instance;
}

c10::DeviceIndex device_of(const void* pointer) {
  for (c10::DeviceIndex i = 0; i < kDevices; ++i) {
    if (arena(i).holds(pointer)) return i;
  }
  TORCH_CHECK(false, "not an address of refnpu memory");
}

void* worker_address(const void* pointer) {
  return pointer ? arena(device_of(pointer)).worker(pointer) : nullptr;
}

}  // namespace refnpu
