#include <algorithm>
#include <new>
#include <utility>

#include "async/with_timeout.hpp"
#include "net/dial.hpp"
#include "node/sessions.hpp"
#include "protocol/frame.hpp"

namespace peer::node {

using std::chrono::steady_clock;

asio::awaitable<void> Sessions::take_lane(Pair& pair, std::unique_ptr<net::TlsStream> stream,
                                          FirstWord word) {
  const auto& attach = *word.attach;
  const auto fits = [&] {
    const auto& session = pair.session;
    return session && !session->over() && !session->dialled() &&
           session->talk().both_have("lanes") && session->key().dial == attach.dial &&
           session->key().theirs == attach.instance;
  };
  if (!fits() || pair.waiting_lanes >= kMaxWaitingLanes) co_return;  // closed without a hint why
  ++pair.waiting_lanes;
  const auto give_up = steady_clock::now() + protocol::kAttachWait;
  while (!stopping_ && steady_clock::now() < give_up && fits() &&
         !next_.expects_lane(pair, attach.id)) {
    co_await services_.changed.wait_for(kLook);
  }
  --pair.waiting_lanes;
  const bool good = !stopping_ && fits() && next_.expects_lane(pair, attach.id);
  if (!good) co_return;  // closed without a hint which part did not fit
  auto connection = stream->release();
  connection.rest = word.bytes + connection.rest;
  next_.lane_came(pair, *pair.session, attach.id, std::move(connection));
}

void Sessions::open_lanes(Pair& pair, const protocol::OfferId& id, std::uint32_t count) {
  const auto session = pair.session;
  if (count == 0 || !session || !session->dialled() || !session->talk().both_have("lanes")) return;
  // Those that are being dialled or carry blocks count: a repeated `accept` opens no more.
  auto& open = session->lanes_of(id);
  while (open < std::min(count, protocol::kMaxLanes)) {
    ++open;
    tasks_.spawn("dial lane", dial_lane(pair, session, id));
  }
}

asio::awaitable<void> Sessions::dial_lane(Pair& pair, std::shared_ptr<Session> session,
                                          protocol::OfferId id) {
  bool placed = false;
  try {
    placed = co_await place_lane(pair, session, id);
  } catch (const std::bad_alloc& error) {
    base::log(base::Level::warning, "sessions", std::string("a lane: ") + error.what());
  }
  if (!placed) session->lane_ended(id);
}

asio::awaitable<bool> Sessions::place_lane(Pair& pair, std::shared_ptr<Session> session,
                                           protocol::OfferId id) {
  auto address = trust::parse_address(session->dialled_at(), protocol::kDefaultPort);
  if (!address) co_return false;
  const int segment_bytes =
      pair.small_segments_until > steady_clock::now() ? kSmallSegmentBytes : 0;
  auto socket = co_await net::dial(address->host, address->port, kDialTime, segment_bytes);
  if (!socket) co_return false;
  net::TlsStream stream(std::move(*socket), *services_.tls, net::TlsStream::Side::client);
  auto shaken = co_await async::with_timeout(stream.handshake(), protocol::kHandshakeTime);
  if (!shaken || stream.peer_id() != pair.id) co_return false;
  protocol::Attach attach;
  attach.id = id;
  attach.instance = services_.instance;
  attach.dial = session->key().dial;
  const auto said = protocol::frame(attach);
  auto sent = co_await stream.write(std::as_bytes(std::span(said)));
  const auto give_up = steady_clock::now() + protocol::kAttachWait;
  while (sent && !session->over() && !next_.expects_lane(pair, id) &&
         steady_clock::now() < give_up) {
    co_await services_.changed.wait_for(kLook);
  }
  if (!sent || session->over() || session != pair.session || !next_.expects_lane(pair, id))
    co_return false;
  co_return next_.lane_came(pair, *session, id, stream.release());
}

}  // namespace peer::node
