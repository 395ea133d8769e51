#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "disk.hpp"
#include "protocol/conversation.hpp"

namespace peer::sim {

/// An offer that has not ended here: its row, and what lives only while the program runs.
struct Record {
  Row row;
  // taken: the manifest
  std::uint64_t listed = 0;
  std::uint64_t list_asked = 0;
  std::uint64_t list_link = 0;  ///< the connection it was asked on
  // taken: the stream
  bool taking = false;
  RangeSet unasked;       ///< chosen, lacking, wanted nowhere
  RangeSet checking;      ///< what the giver is asked about by `check`
  RangeSet check_asked;   ///< ... and has not answered
  bool no_space = false;  ///< it has said so
  Time not_before{};      ///< the giver was in trouble
};

/// One side: a program that follows a node's rules about offers as far as both sides see them, its
/// disk, and what must hold of what it does.
class Party {
 public:
  // ---- what outlives the program
  Disk disk;
  std::map<OfferId, Plan> plans;           ///< its user's mind
  std::map<OfferId, std::size_t> changed;  ///< given: a file that is not as it was offered
  std::set<OfferId> paused;                ///< given: what is wanted cannot be served
  std::chrono::seconds wall{0};            ///< how much the wall clock is ahead of the steady one
  std::string trouble;                     ///< what should not have happened
  /// `error`s that are right only if something was overtaken on another connection or lost.
  std::string overtaken;
  std::set<OfferId> lost;        ///< rows that were lost in a crash
  std::set<OfferId> lost_whole;  ///< ... and of which nothing was left
  std::set<OfferId> own_words;   ///< ended as its user was told before, not as `closed` says
  std::map<OfferId, std::uint64_t> may_come_again;  ///< bytes of the stream

  // ---- the program
  Ledger ledger;
  Instance instance;
  std::uint64_t dials = 0;
  std::uint64_t current = 0;  ///< the connection it uses, 0: none
  PeerLimits limits;
  std::vector<std::string> features;
  std::map<OfferId, Record> records;
  std::set<RequestId> gets_asked;  ///< theirs, to be answered
  std::set<RequestId> gets_answered;
  std::vector<OfferId> turned_away;  ///< to be forgotten once said

  void give(std::uint64_t number, Time now, std::chrono::seconds keep,
            std::optional<RequestId> get);
  bool cancel(const OfferId& id, const char* reason);
  /// Takes the decisions whose time has come; true if something was decided.
  bool decide();
  /// What expired ends.
  bool look_after(Time now);
  bool has_business() const;

  // ---- what sessions tell
  void happened(const Event& event, Conversation& talk, Time now);
  void arrived(const Data& data, const std::string& bytes, Conversation& talk, bool is_current);
  /// A session ended with these of its wants unanswered.
  void session_ended(const std::vector<Want>& unanswered);

  // ---- bytes
  /// Wants what is lacking and not asked yet, on its session.
  void want(Conversation& talk, std::uint64_t link, Time now);
  /// Answers one want; the bytes to send. False: nothing is wanted.
  bool serve(Conversation& talk, std::string& out);
  std::map<OfferId, std::uint64_t> sent;  ///< bytes of streams

  // ---- starting anew
  /// The rows as they are; `power`: the folders as they were synced.
  void restart(bool power, bool ask_again, Time now);

 private:
  using Once = std::tuple<OfferId, char, std::uint64_t>;
  void once(const OfferId& id, char what, std::uint64_t round);
  std::int64_t wall_at(Time now) const;
  void note(const OfferId& id);
  void end(const OfferId& id, Stage stage);
  void drop_folder(const OfferId& id);
  void noted(const Offered& event, Time now);
  void finished(const Finished& event);
  void settled(const Settled& event);
  void troubled(const Troubled& event, Time now);
  void entry_gone(const Gone& gone);
  bool decide(const OfferId& id, Record& record);
  void accept(const OfferId& id, Record& record, RangeSet chosen);
  bool carry_out(const OfferId& id, Record& record, const TakenOffer& offer);
  void start_taking(const OfferId& id, Record& record);
  bool all_here(const OfferId& id, const Record& record) const;
  void give_back(const Want& want);
  void void_checks(Record& record);
  void want_manifest(const OfferId& id, Record& record, Conversation& talk, std::uint64_t link);
  void want_stream(const OfferId& id, Record& record, Conversation& talk);
  void restore(const OfferId& id, const Row& row, Time now);

  std::set<Once> once_;
  std::map<std::pair<OfferId, std::uint64_t>, int> deliveries_;  ///< by round
};

}  // namespace peer::sim
