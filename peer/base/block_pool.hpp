#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

namespace peer::base {

/// All block buffers of a node come from pools like this one: bounded, so that memory does not
/// depend on how much is moved. Memory is taken from the system when first needed and kept.
/// Thread-safe; must outlive its blocks.
class BlockPool {
 public:
  BlockPool(std::size_t block_bytes, std::size_t max_blocks);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /// A buffer that goes back to the pool when destroyed. Moves only.
  class Block {
   public:
    Block() = default;
    Block(Block&&) noexcept;
    Block& operator=(Block&&) noexcept;
    ~Block();
    explicit operator bool() const { return data_ != nullptr; }
    std::span<std::byte> bytes() const;  ///< block_bytes of them; none of an empty Block

   private:
    friend class BlockPool;
    BlockPool* pool_ = nullptr;
    std::byte* data_ = nullptr;
  };

  Block try_take();                                 ///< empty if none is free
  Block take();                                     ///< waits; for data threads only
  Block take_for(std::chrono::milliseconds limit);  ///< the same, but empty after `limit`
  std::size_t block_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace peer::base
