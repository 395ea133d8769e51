#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/task_group.hpp"
#include "base/exit_code.hpp"
#include "node/contacts.hpp"
#include "node/lane.hpp"
#include "node/offers.hpp"
#include "node/pace.hpp"
#include "node/policies.hpp"
#include "node/session.hpp"
#include "node/sessions.hpp"
#include "node/taking.hpp"
#include "storage/intake.hpp"
#include "storage/review.hpp"

namespace peer::node {

class Fetching;

/// A `get` of ours without its offer yet.
struct OpenGet {
  protocol::RequestId id;
  protocol::PeerId peer;
  std::vector<std::string>
      roots;  ///< last parts of the paths asked: what the answer's roots may be called
  storage::LandingPlan plan;
  std::uint64_t limit = 0;              ///< bytes a second; 0: none
  bool look_only = false;               ///< --dry-run: the answer is looked at and declined
  std::optional<storage::Review> seen;  ///< with look_only: what would land
  bool claimed = false;                 ///< an offer answers it; no second one does
  OfferPtr offer;                       ///< the answer, accepted
  std::string error;                    ///< or why there is none
  std::string error_code;
  base::Exit exit = base::Exit::failed;  ///< with `error`
};

/// Who has answered an offer to this peer.
enum class Answerer : std::uint8_t { user, get, rule };

/// What happens between this peer and the others about offers: turns what sessions tell into
/// offers' states, and what this user decides into words for the other side. Given offers in
/// exchange_given.cpp, those made to us in exchange_offered.cpp and, where nobody is asked,
/// exchange_decided.cpp, taken ones in exchange_taken.cpp, their ends in exchange_ended.cpp, what
/// stands still in exchange_paused.cpp.
class Exchange : public SessionUser {
 public:
  Exchange(Services& services, Contacts& contacts, const Policies& policies, Offers& offers);
  ~Exchange() override;
  void use(Sessions& sessions) { sessions_ = &sessions; }
  /// Other messages of a session: `list`, `get` and their answers.
  std::function<void(Pair&, Session&, protocol::Event)> on_request;

  /// Puts saved offers back into the ledgers and goes on with what was being carried out. Once,
  /// before any session.
  void restore();
  /// Stops every transfer; what has been stored stays.
  asio::awaitable<void> stop();
  bool has_business(const Pair& pair) const;

  // ---- this user gives
  /// The record stands in `offer->folder`. Says it now if there is a session, else in the next one.
  void give(const OfferPtr& offer);

  // ---- this user takes
  /// Throws Failure: not enough space (exit 7), a folder that cannot be written, a wrong state.
  asio::awaitable<void> accept(OfferPtr offer, storage::LandingPlan plan,
                               Answerer by = Answerer::user);
  void reject(const OfferPtr& offer, const std::string& code, const std::string& text,
              Answerer by = Answerer::user);
  asio::awaitable<storage::Review> review(OfferPtr offer,
                                          storage::LandingPlan plan);  ///< throws Failure
  storage::LandingPlan default_plan() const;

  // ---- either
  struct CancelResult {
    std::vector<std::string> kept;
    std::uint64_t removed_bytes = 0;
    std::string left_in;  ///< a folder on a drive that is away: removed when it is back
  };
  asio::awaitable<CancelResult> cancel(OfferPtr offer, bool keep);
  /// What is being carried out stands still until resume(), over restarts too; an offer of ours
  /// also before it is accepted. Throws Failure in a wrong state.
  void pause(const OfferPtr& offer);
  void resume(const OfferPtr& offer);
  void cancel_all_with(const protocol::PeerId& peer);  ///< it was blocked or forgotten

  /// Offers that a rule took or rejected, in this run of the program; the newest is the last.
  struct Decided {
    std::uint64_t count = 0;
    std::deque<OfferPtr> latest;  ///< at most kDecidedKept
  };
  const Decided& decided_by_rules() const { return decided_; }

  std::list<std::shared_ptr<OpenGet>>& open_gets() { return open_gets_; }
  int watching_anyone = 0;  ///< clients that take strangers' offers now

  // ---- what sessions tell
  void happened(Pair& pair, Session& session, protocol::Event event) override;
  void block_came(Pair& pair, Session& session, IncomingBlock block) override;
  asio::awaitable<std::shared_ptr<storage::Source>> source_of(Pair& pair,
                                                              protocol::OfferId id) override;
  Throttle throttle_of(Pair& pair, const protocol::OfferId& id) override;
  void bytes_sent(Pair& pair, const protocol::OfferId& id, std::uint64_t bytes,
                  std::string current) override;
  bool lane_came(Pair& pair, Session& session, const protocol::OfferId& id,
                 net::RawConnection connection) override;
  bool expects_lane(Pair& pair, const protocol::OfferId& id) override;
  void session_ended(Pair& pair, Session& session, std::vector<protocol::Want> unanswered) override;

 private:
  struct Handler;
  struct Serving {
    OfferPtr offer;
    std::weak_ptr<Session> session;  ///< that it belongs to
    std::unique_ptr<GivingLane> lane;
  };

  // given
  void wanted(Pair& pair, const protocol::OfferId& id);
  bool stands_still(const OfferRecord& offer) const;
  void refuse_paused(Pair& pair, const OfferRecord& offer);
  asio::awaitable<void> stand_still(OfferPtr offer);
  void give_up_idle(Pair& pair, const OfferPtr& offer);
  void tell_stopping();
  void on_accepted(Pair& pair, const protocol::Accepted& event);
  void on_finished(Pair& pair, const protocol::Finished& event);
  asio::awaitable<void> finish_given(OfferPtr offer, protocol::Done done);
  asio::awaitable<void> serve_lane(Pair& pair, std::shared_ptr<Session> session, OfferPtr offer,
                                   net::RawConnection connection);
  void withdraw_damaged(Pair& pair, const OfferPtr& offer, const Error& error);
  void stop_lanes(const OfferRecord& offer);
  void lane_ended(std::list<Serving>::iterator where);

  // taken
  void on_offered(Pair& pair, Session& session, const protocol::Offered& event);
  asio::awaitable<OfferPtr> add_noted(storage::OfferRow row);
  void tell_not_noted(Pair& pair, const protocol::OfferId& id);
  asio::awaitable<void> take_note(Pair& pair, protocol::Offer offer, std::string address,
                                  bool stranger);
  std::string refusal(const Pair& pair, const protocol::Offer& offer, const std::string& address);
  bool wants_list(const OfferRecord& offer) const;
  asio::awaitable<Result<void>> fetch_once(OfferPtr offer);
  asio::awaitable<void> fetch(OfferPtr offer);
  void renew_list(const OfferPtr& offer);
  asio::awaitable<void> fetch_again(OfferPtr offer);
  void drop_list(const OfferPtr& offer);
  asio::awaitable<void> decide_alone(OfferPtr offer);
  asio::awaitable<bool> answers_get(OfferPtr offer);
  asio::awaitable<void> decide_by_rule(OfferPtr offer);
  void decided(const OfferPtr& offer);
  asio::awaitable<void> carry_out(OfferPtr offer);
  asio::awaitable<void> carry_out_once(OfferPtr offer);
  asio::awaitable<void> settle_taken(OfferPtr offer, std::string text);
  void start_taking(const OfferPtr& offer, storage::LandingPlan plan);
  void go_on_taking(const OfferPtr& offer, storage::LandingPlan plan);
  asio::awaitable<void> delivered(OfferPtr offer, storage::Intake::Delivered result);
  void taking_failed(const OfferPtr& offer, const std::string& text);

  // either
  void on_settled(Pair& pair, const protocol::Settled& event);
  void on_cancelled(Pair& pair, const protocol::Cancelled& event);
  void on_trouble(Pair& pair, Session& session, const protocol::Troubled& event);
  /// The offer's last state, told or saved; after its staging is gone.
  void end(const OfferPtr& offer, std::string_view state, std::string text = {});
  asio::awaitable<Result<storage::Intake::Delivered>> clear(OfferPtr offer, bool keep);
  asio::awaitable<void> clear_and_tell(
      OfferPtr offer, bool keep,
      std::shared_ptr<std::optional<Result<storage::Intake::Delivered>>> cleared);
  asio::awaitable<Result<storage::Intake::Delivered>> remove_staged(
      OfferPtr offer, std::shared_ptr<storage::Intake> intake, bool keep);
  asio::awaitable<void> clear_left(OfferPtr offer);
  void stop_fetch(const OfferRecord& offer);
  asio::awaitable<void> abandon(OfferPtr offer, std::string what, std::string text);
  asio::awaitable<void> look_after();
  void dial_lost_lanes(Pair& pair, const OfferRecord& offer);
  /// Copies what the ledger holds into the row and saves it.
  void note(const OfferPtr& offer);
  void say(Pair& pair);

  Services& services_;
  Contacts& contacts_;
  const Policies& policies_;
  Offers& offers_;
  Sessions* sessions_ = nullptr;
  std::map<std::uint64_t, std::shared_ptr<Fetching>> fetches_;  ///< by offer number
  std::set<std::uint64_t> renewing_;  ///< offers whose damaged list is fetched again
  std::list<Serving> serving_;
  std::map<const Session*, std::deque<protocol::Check>>
      checks_;  ///< asked and not yet answered, the first being looked at
  std::list<std::shared_ptr<OpenGet>> open_gets_;
  std::multiset<std::string> noting_;  ///< addresses of strangers' offers that wait for a number
  Pace stranger_pace_{kStrangerOffersPerMinute, std::chrono::minutes(1)};
  std::map<std::string, Pace> stranger_paces_;  ///< by Session::remote_network()
  Decided decided_;
  Pace told_rejections_{kStrangerRejectionsTold, std::chrono::hours(24)};
  bool stopping_ = false;
  async::TaskGroup tasks_;
};

/// Failures with the entry's path and a NUL put before the text, looked up in the record. Blocking.
std::vector<protocol::Failure> with_paths(const std::string& folder,
                                          std::vector<protocol::Failure> failures);

/// A taken offer's `decided_by`: what `rule`, called so, has made of it, and why if it asks.
std::string decided_by(base::Verdict verdict, const std::string& rule, const std::string& why);

/// A taken offer's `options` in the database; `keep`: once it is cancelled, what is complete stays.
std::string plan_to_json(const storage::LandingPlan& plan, bool keep = false);
storage::LandingPlan plan_from_json(const std::string& json);
bool keeps_complete(const std::string& json);

}  // namespace peer::node
