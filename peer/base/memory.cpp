#include "base/memory.hpp"

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace peer::base {

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
