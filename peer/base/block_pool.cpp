#include "base/block_pool.hpp"

#include <cassert>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace peer::base {

namespace {

/// Of a page: a block may be read into or written from without the kernel splitting a page.
constexpr std::size_t kAlignment = 4096;

struct Free {
  void operator()(std::byte* data) const { std::free(data); }
};
using Memory = std::unique_ptr<std::byte, Free>;

Memory allocate(std::size_t bytes) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  auto* data = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (data == nullptr) throw std::bad_alloc();
  return Memory(data);
}

}  // namespace

struct BlockPool::Impl {
  const std::size_t block_bytes;
  const std::size_t max_blocks;
  std::mutex mutex;
  std::condition_variable returned;
  std::vector<Memory> free;  // by mutex; all else that was made is out
  std::size_t made = 0;      // by mutex

  Impl(std::size_t bytes, std::size_t max) : block_bytes(bytes), max_blocks(max) {
    free.reserve(max);
  }

  /// With the mutex held. Null if none is free and no more may be made.
  std::byte* take() {
    if (!free.empty()) {
      std::byte* data = free.back().release();
      free.pop_back();
      return data;
    }
    if (made == max_blocks) return nullptr;
    std::byte* data = allocate(block_bytes).release();
    ++made;
    return data;
  }

  void give_back(std::byte* data) {
    {
      const std::lock_guard lock(mutex);
      free.emplace_back(data);
    }
    returned.notify_one();
  }
};

BlockPool::BlockPool(std::size_t block_bytes, std::size_t max_blocks)
    : impl_(std::make_unique<Impl>(block_bytes, max_blocks)) {}

BlockPool::~BlockPool() { assert(impl_->free.size() == impl_->made); }

BlockPool::Block BlockPool::try_take() {
  Block block;
  const std::lock_guard lock(impl_->mutex);
  block.data_ = impl_->take();
  block.pool_ = this;
  return block;
}

BlockPool::Block BlockPool::take() {
  Block block;
  std::unique_lock lock(impl_->mutex);
  impl_->returned.wait(lock, [&] { return (block.data_ = impl_->take()) != nullptr; });
  block.pool_ = this;
  return block;
}

BlockPool::Block BlockPool::take_for(std::chrono::milliseconds limit) {
  Block block;
  std::unique_lock lock(impl_->mutex);
  impl_->returned.wait_for(lock, limit, [&] { return (block.data_ = impl_->take()) != nullptr; });
  block.pool_ = this;
  return block;
}

std::size_t BlockPool::block_bytes() const { return impl_->block_bytes; }

BlockPool::Block::Block(Block&& other) noexcept
    : pool_(other.pool_), data_(std::exchange(other.data_, nullptr)) {}

BlockPool::Block& BlockPool::Block::operator=(Block&& other) noexcept {
  Block taken(std::move(other));  // leaves with what this held
  std::swap(pool_, taken.pool_);
  std::swap(data_, taken.data_);
  return *this;
}

BlockPool::Block::~Block() {
  if (data_ != nullptr) pool_->impl_->give_back(data_);
}

std::span<std::byte> BlockPool::Block::bytes() const {
  if (data_ == nullptr) return {};
  return {data_, pool_->impl_->block_bytes};
}

}  // namespace peer::base
