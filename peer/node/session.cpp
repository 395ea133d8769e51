#include "node/session.hpp"

#include <algorithm>
#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>
#include <utility>

#include "async/run_on.hpp"
#include "async/task_group.hpp"
#include "node/tasks.hpp"
#include "node/wire_text.hpp"

namespace peer::node {

using protocol::Errc;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kBufferPause{20};  ///< between looks for a free buffer
constexpr std::size_t kOutboxBytes = 256u
                                     << 10;  ///< of control messages, handed to the socket's queue
constexpr std::size_t kJoinedBytes =
    16 * 1024;  ///< a block this small travels in one TLS record with its header
/// For what is still to be written when a session ends, and for the other side to hear it: whoever
/// is told to end does so in under a second.
constexpr milliseconds kLastWords{900};

}  // namespace

AnswerForm answer_form(const protocol::Conversation& talk) {
  AnswerForm form;
  if (talk.both_have("xxh3")) form.digest = protocol::Digest::Kind::xxh3;
  form.zeros = talk.both_have("zeros");
  return form;
}

Session::Session(Services& services, Pair& pair, SessionUser& user,
                 std::unique_ptr<net::TlsStream> stream, protocol::Hello ours, std::string first,
                 std::string address)
    : services_(services),
      pair_(pair),
      user_(user),
      stream_(std::move(stream)),
      talk_(pair.ledger, std::move(ours), std::chrono::steady_clock::now()),
      first_(std::move(first)),
      address_(std::move(address)),
      local_(stream_->local()),
      remote_(stream_->remote()),
      remote_network_(stream_->remote_network()),
      writable_(services.io.get_executor()),
      written_(services.io.get_executor()),
      wanted_(services.io.get_executor()),
      clock_(services.io.get_executor()),
      over_(services.io.get_executor()) {
  ++pair_.sessions;
}

Session::~Session() { --pair_.sessions; }

void Session::lane_ended(const protocol::OfferId& offer, bool fell_silent) {
  const auto found = lanes_.find(offer);
  if (found != lanes_.end() && --found->second == 0) lanes_.erase(found);
  if (fell_silent)
    pair_.small_segments_until = std::chrono::steady_clock::now() + kSmallSegmentsFor;
}

protocol::SessionKey Session::key() const {
  protocol::SessionKey key;
  key.ours = talk_.ours().instance;
  key.theirs = talk_.theirs()->instance;
  key.we_dialled = dialled();
  key.dial = dialled() ? talk_.ours().dial : talk_.theirs()->dial;
  return key;
}

asio::awaitable<void> Session::run() {
  const auto self = shared_from_this();
  // A session ends by leave() or by its connection, so that it always joins its tasks.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  // Without one of its tasks, for want of memory, it would stand still: the next session goes on.
  const auto broken = [this](std::string_view name, std::exception_ptr error) {
    log_task_error(name, error);
    lost(Error(std::make_error_code(std::errc::not_enough_memory)));
  };
  async::TaskGroup tasks(services_.io.get_executor(), broken);
  std::exception_ptr failure;
  try {
    tasks.spawn("session read", read_loop());
    tasks.spawn("session write", write_loop());
    tasks.spawn("session clock", clock_loop());
    tasks.spawn("session serve", serve_loop());
    flush();
    while (!talk_.over()) co_await over_.wait();
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) broken("session", failure);
  const auto give_up = std::chrono::steady_clock::now() + kLastWords;
  while (outbox_bytes_ > 0 && std::chrono::steady_clock::now() < give_up)
    co_await written_.wait_for(milliseconds(50));
  if (leaving_ && outbox_bytes_ == 0) {
    stream_->end_writing();
    while (!read_to_its_end_ && std::chrono::steady_clock::now() < give_up)
      co_await written_.wait_for(milliseconds(20));
  }
  stream_->close();
  tasks.cancel();
  co_await tasks.join();
  auto unanswered = talk_.asked().open();
  // A block cut short was answered by its header, but is not here.
  const auto lost = [&unanswered](const protocol::Data& data) {
    protocol::Want want;
    want.id = data.id;
    want.of = data.of;
    want.offset = data.offset;
    want.length = data.length;
    unanswered.push_back(want);
  };
  if (incoming_) lost(incoming_->data);
  for (const auto& block : announced_) lost(block.data);
  incoming_.reset();
  user_.session_ended(pair_, *this, std::move(unanswered));
}

void Session::flush() {
  take_events();
  queue_output();
  clock_.notify_all();
  if (talk_.over()) {
    over_.notify_all();
    writable_.notify_all();
    wanted_.notify_all();
    written_.notify_all();
  }
}

void Session::leave(Errc code, std::string text) {
  if (talk_.over()) return;
  leaving_ = code == Errc::leaving;  // who is thrown out is owed no time
  talk_.leave(code, std::move(text));
  flush();
}

void Session::lost(Error why) {
  if (talk_.over()) return;
  outbox_.clear();  // run() waits for nobody to read it
  outbox_bytes_ = 0;
  talk_.disconnected(std::move(why));
  flush();
}

void Session::queue_output() {
  if (outbox_bytes_ > kOutboxBytes)
    return;  // what a peer that does not read piles up is counted by the conversation
  auto control = talk_.take_output();
  if (control.empty()) return;
  outbox_bytes_ += control.size();
  if (!outbox_.empty() && !outbox_.back().block) {
    outbox_.back().control += control;
  } else {
    Outgoing out;
    out.control = std::move(control);
    outbox_.push_back(std::move(out));
  }
  writable_.notify_all();
}

void Session::take_events() {
  for (;;) {
    auto events = talk_.take_events();
    if (events.empty()) return;
    for (auto& event : events) {
      if (auto* coming = std::get_if<protocol::DataComing>(&event)) {
        announced_.push_back({coming->data, {}, {}, std::chrono::steady_clock::now()});
        continue;
      }
      if (auto* gone = std::get_if<protocol::EntryGone>(&event)) {
        protocol::Data asked;
        asked.id = gone->gone.id;
        asked.offset = gone->gone.offset;
        asked.length = gone->gone.length;
        announced_.push_back({asked, {}, std::move(gone->gone), std::chrono::steady_clock::now()});
        continue;
      }
      if (std::holds_alternative<protocol::Wanted>(event) || !readers_.empty())
        wanted_.notify_all();
      user_.happened(pair_, *this, std::move(event));
    }
  }
}

asio::awaitable<void> Session::read_loop() {
  std::vector<std::byte> buffer(64 * 1024);
  bool going = true;
  if (!first_.empty()) {
    const auto first = std::as_bytes(std::span(first_));
    going = co_await take_bytes(first);
  }
  while (going && !talk_.over()) {
    std::span<std::byte> into(buffer);
    if (incoming_)
      into = incoming_->block.bytes().subspan(filled_, incoming_->data.length - filled_);
    auto got = co_await stream_->read(into);
    if (!got || *got == 0) {
      talk_.disconnected(got ? Error(std::make_error_code(std::errc::connection_reset))
                             : got.error());
      break;
    }
    heard_ = std::chrono::steady_clock::now();
    if (incoming_) {
      filled_ += *got;
      talk_.payload_passed(*got, heard_);
      if (filled_ == incoming_->data.length) end_block();
    } else {
      const std::span<const std::byte> bytes = into.first(*got);
      going = co_await take_bytes(bytes);
    }
  }
  flush();
  // What the other side had said before it heard that we leave.
  while (leaving_) {
    auto got = co_await stream_->read(buffer);
    if (!got || *got == 0) break;
  }
  read_to_its_end_ = true;
  written_.notify_all();
}

/// False when the session is over.
asio::awaitable<bool> Session::take_bytes(std::span<const std::byte> bytes) {
  while (!bytes.empty() && !talk_.over()) {
    const auto now = std::chrono::steady_clock::now();
    if (talk_.payload_left() > 0) {
      const auto n =
          static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), talk_.payload_left()));
      if (incoming_) {
        std::ranges::copy(bytes.first(n),
                          incoming_->block.bytes().begin() + static_cast<std::ptrdiff_t>(filled_));
        filled_ += n;
      }
      talk_.payload_passed(n, now);
      if (incoming_ && filled_ == incoming_->data.length) end_block();
      bytes = bytes.subspan(n);
      continue;
    }
    const auto taken = talk_.received(bytes, now);
    bytes = bytes.subspan(taken);
    flush();
    co_await take_announced();
    if (taken == 0 && talk_.payload_left() == 0) break;
  }
  co_return !talk_.over();
}

asio::awaitable<void> Session::take_announced() {
  while (!announced_.empty() && !talk_.over()) {
    if (announced_.front().payload() > protocol::kSessionBlockBytes) {
      leave(Errc::too_much, "a block of more than 256 KiB on the session");
      co_return;
    }
    auto buffer = services_.receiving.try_take();
    if (!buffer) {
      co_await over_.wait_for(kBufferPause);
      talk_.not_reading(std::chrono::steady_clock::now());
      continue;
    }
    auto block = std::move(announced_.front());
    announced_.pop_front();
    block.block = std::move(buffer);
    if (block.payload() == 0) {
      user_.block_came(pair_, *this, std::move(block));
    } else {
      incoming_ = std::move(block);
      filled_ = 0;
    }
  }
}

void Session::end_block() {
  auto whole = std::move(*incoming_);
  incoming_.reset();
  user_.block_came(pair_, *this, std::move(whole));
  flush();
}

asio::awaitable<void> Session::write_loop() {
  for (;;) {
    while (outbox_.empty()) {
      if (talk_.over()) co_return;
      co_await writable_.wait();
    }
    Outgoing out = std::move(outbox_.front());
    outbox_.pop_front();
    auto sent = co_await stream_->write(std::as_bytes(std::span(out.control)));
    if (sent && out.block) sent = co_await stream_->write(out.block.bytes().first(out.bytes));
    outbox_bytes_ -= out.control.size() + (out.block ? out.bytes : 0);
    if (!sent) {
      // The other side is gone, but what it said before may lie here unread.
      const auto give_up = std::chrono::steady_clock::now() + kLastWords;
      while (!talk_.over() && std::chrono::steady_clock::now() < give_up)
        co_await over_.wait_for(give_up - std::chrono::steady_clock::now());
      outbox_.clear();
      outbox_bytes_ = 0;
      talk_.disconnected(sent.error());
      flush();
      written_.notify_all();
      co_return;
    }
    written_.notify_all();
    queue_output();
  }
}

asio::awaitable<void> Session::clock_loop() {
  while (!talk_.over()) {
    const auto deadline = talk_.deadline();
    const auto now = std::chrono::steady_clock::now();
    if (deadline && *deadline <= now) {
      talk_.timed_out(now);
      flush();
      continue;
    }
    auto pause = std::chrono::steady_clock::duration(std::chrono::seconds(60));
    if (deadline) pause = *deadline - now;
    co_await clock_.wait_for(pause);
  }
}

asio::awaitable<void> Session::serve_loop() {
  std::size_t passed = 0;  // turns, because of limits
  bool idle = true;
  while (!talk_.over()) {
    const auto want = talk_.served().next();
    if (!want) {
      idle = true;
      // Nobody's files are held open for longer than they are wanted.
      std::erase_if(readers_, [&](const auto& entry) {
        const auto* given = pair_.ledger.find_given(entry.first);
        return !given || given->state != protocol::GivenOffer::State::accepted;
      });
      co_await wanted_.wait();
      continue;
    }
    const auto throttle = user_.throttle_of(pair_, want->id);
    // Neither a list nor what came before the first bytes is time of the transfer.
    const bool stream = want->of == protocol::Of::stream;
    const bool waited = std::exchange(idle, false);
    if (stream && waited && throttle.spent().totals().bytes > 0)
      served_.charge(throttle.spent(), TimeSpent::On::other);
    else if (!stream || waited)
      served_.skip();
    while (outbox_bytes_ > kSessionBacklogBytes && !talk_.over()) co_await written_.wait();
    if (talk_.over()) co_return;
    if (stream) served_.charge(throttle.spent(), TimeSpent::On::network);
    if (const auto time = throttle.wait(); time.count() > 0) {
      talk_.pass_turn();
      if (++passed < talk_.served().turns()) continue;
      passed = 0;
      co_await wanted_.wait_for(std::chrono::ceil<std::chrono::milliseconds>(time));
      if (stream) throttle.waited(served_);
      continue;
    }
    passed = 0;
    co_await answer(*want, throttle);
  }
}

storage::Source::Reader* Session::reader_of(const protocol::OfferId& id,
                                            const std::shared_ptr<storage::Source>& source) {
  auto& [kept, reader] = readers_[id];
  if (kept != source) {
    kept = source;
    reader = source->reader();
  }
  return reader.get();
}

/// Answers the front of the want whose turn it is with one block, or says why not.
asio::awaitable<void> Session::answer(protocol::Want want, Throttle throttle) {
  auto source = co_await user_.source_of(pair_, want.id);
  if (talk_.over()) co_return;
  if (!source) {
    refuse_want(want.id, "the record of this offer cannot be read here");
    co_return;
  }
  auto block = services_.sending.try_take();
  while (!block && !talk_.over()) {
    co_await written_.wait_for(kBufferPause);
    block = services_.sending.try_take();
  }
  if (talk_.over()) co_return;
  auto* reader = reader_of(want.id, source);
  auto buffer = block.bytes();
  buffer = buffer.first(static_cast<std::size_t>(
      throttle.piece(std::min<std::uint64_t>(buffer.size(), talk_.theirs()->limits.block_bytes))));
  const auto form = answer_form(talk_);
  auto job = [reader, &want, buffer, form] { return read_answer(*reader, want, buffer, form); };
  auto found = co_await async::run_on(services_.disk, std::move(job));
  if (want.of == protocol::Of::stream) served_.charge(throttle.spent(), TimeSpent::On::disk);

  const auto turn = talk_.served().next();
  if (talk_.over() || !turn || *turn != want) co_return;  // ended by a cancel meanwhile
  if (found.error) {
    refuse_want(want.id, found.error->text());
  } else if (found.gone) {
    talk_.gone(*found.gone);
    flush();
  } else {
    throttle.spend(found.data->payload());
    if (want.of == protocol::Of::stream) throttle.spent().moved(found.data->payload());
    send_block(*found.data, std::move(block));
    if (want.of == protocol::Of::stream)
      user_.bytes_sent(pair_, want.id, found.data->length, std::move(found.current));
  }
}

void Session::refuse_want(const protocol::OfferId& id, const std::string& why) {
  protocol::Trouble trouble;
  trouble.code = protocol::wire_code(Errc::disk);
  trouble.text = wire_text(why, protocol::kMaxTextBytes);
  trouble.id = id;
  talk_.trouble(trouble);
  flush();
}

void Session::send_block(const protocol::Data& data, base::BlockPool::Block block) {
  queue_output();  // what was said before goes out before
  Outgoing out;
  out.control = talk_.data_header(data);
  const auto bytes = static_cast<std::size_t>(data.payload());
  if (bytes <= kJoinedBytes) {
    out.control.append(reinterpret_cast<const char*>(block.bytes().data()), bytes);
    outbox_bytes_ += out.control.size();
  } else {
    out.block = std::move(block);
    out.bytes = bytes;
    outbox_bytes_ += out.control.size() + bytes;
  }
  outbox_.push_back(std::move(out));
  writable_.notify_all();
  flush();
}

}  // namespace peer::node
