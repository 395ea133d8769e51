#include "node/fetching.hpp"

#include <algorithm>
#include <utility>

#include "async/run_on.hpp"
#include "storage/digest.hpp"

namespace peer::node {

namespace {
constexpr std::chrono::seconds kRetryPause{5};
}

Fetching::Fetching(Services& services, Pair& pair, protocol::Offer offer, std::string folder)
    : services_(services),
      pair_(pair),
      offer_(std::move(offer)),
      folder_(std::move(folder)),
      wake_(services.io.get_executor()) {}

asio::awaitable<Result<void>> Fetching::run() {
  const auto self = shared_from_this();
  auto create = [self] { return storage::ManifestStore::create(self->folder_, self->offer_); };
  auto created = co_await async::run_on(services_.disk, std::move(create));
  if (!created) co_return std::move(created).error();
  store_ = std::move(*created);
  while (!stopping_ && pair_.ledger.find_taken(offer_.id) && stored_ < offer_.manifest_bytes) {
    want_more();
    if (queue_.empty()) {
      co_await wake_.wait_for(kProgressEvery);
      continue;
    }
    auto block = std::move(queue_.front());
    queue_.pop_front();
    if (block.data.offset != stored_) continue;  // of a session that has gone
    auto stored = co_await store(std::move(block));
    if (!stored) co_return stored;
  }
  if (stored_ < offer_.manifest_bytes)
    co_return Error(std::make_error_code(std::errc::operation_canceled));
  auto finish = [self] { return self->store_->finish(); };
  co_return co_await async::run_on(services_.disk, std::move(finish));
}

asio::awaitable<Result<void>> Fetching::store(IncomingBlock block) {
  const auto self = shared_from_this();
  auto* what = &block;
  auto job = [self, what]() -> Result<void> {
    const auto bytes = what->block.bytes().first(static_cast<std::size_t>(what->data.length));
    if (storage::digest_of(what->data.digest->kind, bytes) != *what->data.digest) {
      return Error(protocol::Errc::bad_digest, "read the offer's list");
    }
    return self->store_->add(bytes);
  };
  auto stored = co_await async::run_on(services_.disk, std::move(job));
  if (stored) stored_ += block.data.length;
  co_return stored;
}

void Fetching::want_more() {
  const auto session = pair_.session;
  if (!session || session->over() || std::chrono::steady_clock::now() < not_before_) return;
  if (session_.lock() != session) {
    session_ = session;
    queue_.clear();
    asked_ = stored_;
    first_want_ = {};
  }
  auto& talk = session->talk();
  bool said = false;
  const auto want_bytes = std::min(kSessionWantBytes, talk.theirs()->limits.open_want_bytes);
  while (asked_ < offer_.manifest_bytes && asked_ - stored_ < kSessionWindowBytes &&
         talk.asked().room(want_bytes)) {
    protocol::Want want;
    want.id = offer_.id;
    want.of = protocol::Of::manifest;
    want.offset = asked_;
    want.length = std::min<std::uint64_t>(want_bytes, offer_.manifest_bytes - asked_);
    if (asked_ == 0) first_want_ = std::chrono::steady_clock::now();
    asked_ += want.length;
    talk.want(want);
    said = true;
  }
  if (said) session->flush();
}

void Fetching::stop() {
  stopping_ = true;
  wake_.notify_all();
}

void Fetching::block_came(IncomingBlock block) {
  if (block.data.zeros())
    return;  // a manifest has no holes; it is asked for again when this session ends
  // A `want` of a few bytes and its answer: the first that is known of the path.
  if (block.data.offset == 0 && first_want_ != std::chrono::steady_clock::time_point{})
    pair_.round_trip = std::chrono::steady_clock::now() - std::exchange(first_want_, {});
  queue_.push_back(std::move(block));
  wake_.notify_all();
}

void Fetching::retry_later() {
  asked_ = stored_;
  queue_.clear();
  not_before_ = std::chrono::steady_clock::now() + kRetryPause;
}

void Fetching::session_changed() { wake_.notify_all(); }

}  // namespace peer::node
