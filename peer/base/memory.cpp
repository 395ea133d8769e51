#include "base/memory.hpp"

#include <atomic>
#include <cstdlib>
#include <new>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace peer::base {

namespace {

constexpr std::size_t kReserveBytes = std::size_t{1} << 20;
std::atomic<void*> reserve{nullptr};

void give_out_reserve() {
  void* kept = reserve.exchange(nullptr);
  if (kept == nullptr) throw std::bad_alloc();
  std::free(kept);
}

}  // namespace

bool keep_reserve() {
  if (reserve.load() != nullptr) return false;
  void* fresh = std::malloc(kReserveBytes);
  void* none = nullptr;
  if (!reserve.compare_exchange_strong(none, fresh)) std::free(fresh);
  std::set_new_handler(give_out_reserve);
  return true;
}

void keep_heap_small() {
#ifdef __GLIBC__
  constexpr int kLarge = 128 * 1024;
  constexpr int kHeaps = 2;
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
  ::mallopt(M_ARENA_MAX, kHeaps);
#endif
}

void give_back_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace peer::base
