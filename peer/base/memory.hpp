#pragma once

namespace peer::base {

/// Once, before there are threads: large buffers go back to the system when they are freed, and
/// threads share a few heaps. (By default glibc keeps both for itself: forty lanes that had come
/// and gone held 60 MiB.)
void keep_heap_small();

/// Keeps some memory for when there is none: whatever is then asked for, in Asio too, where a
/// failure could not be borne, is taken from it; only when that is used up as well a std::bad_alloc
/// is thrown. To be called again and again: true if there was no reserve, at first or because it
/// was given out.
bool keep_reserve();

/// Gives memory that is free in the heap back to the system, where the C library can. May take some
/// milliseconds; thread-safe.
void give_back_memory();

}  // namespace peer::base
