#include <SQLiteCpp/Database.h>
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>

#include "storage/database.hpp"
#include "storage/database_schema.hpp"

namespace fs = std::filesystem;
using namespace peer::storage;
using peer::Result;
using peer::protocol::Direction;
using peer::protocol::Outcome;
using peer::protocol::PeerId;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = "/tmp/peer-database-test-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file() const { return path_ + "/peer.db"; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::unique_ptr<Database> open(const Folder& folder) {
  auto opened = Database::open(folder.file());
  if (!opened) MESSAGE(opened.error().text());
  REQUIRE(opened);
  return *std::move(opened);
}

std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

PeerId peer_id(unsigned char first) {
  PeerId id;
  id.bytes.fill(std::byte{0});
  id.bytes[0] = std::byte{first};
  return id;
}

ContactRow contact(unsigned char id, const std::string& name) {
  ContactRow row;
  row.id = peer_id(id);
  row.name = name;
  return row;
}

OfferRow whole_offer(std::uint64_t number) {
  OfferRow row;
  row.number = number;
  row.id.bytes.fill(std::byte{0xAB});
  row.peer = peer_id(3);
  row.direction = Direction::taken;
  row.state = "active";
  row.offer.id = row.id;
  row.offer.title = std::string("photos\0\x1b[2J", 11);
  row.offer.note = "for you";
  row.offer.files = 3;
  row.offer.folders = 2;
  row.offer.links = 1;
  row.offer.bytes = (std::uint64_t{1} << 63) - 1;
  row.offer.manifest_bytes = 77;
  row.offer.manifest.bytes.fill(std::byte{0x11});
  row.offer.expires = 3600;
  row.offer.get.emplace().bytes.fill(std::byte{0x22});
  row.ledger_state = 4;
  row.round = 2;
  row.done_round = 1;
  row.say = std::string("\0\0\0\x02{}", 6);
  row.manifest_here = true;
  row.paths = {"/home/ann/caf\xe9", "", "/with:colon", "/line\nbreak"};
  row.options = "{\"a\":1}";
  row.files_done = 2;
  row.bytes_done = 1000;
  row.failed = 1;
  row.outcome_text = "their disk is full";
  row.delivered_to = {"/home/ann/Downloads/photos"};
  row.failures = {{7, "photos/\xff: vanished"}, {9, ""}};
  row.paused = true;
  row.decided_by = "{\"do\":\"accept\"}";
  row.spent = "{\"bytes\":1}";
  row.limit = 5'000'000;
  row.made = 1'700'000'000;
  row.expires = 1'700'003'600;
  row.ended = 0;
  return row;
}

void check_same(const OfferRow& a, const OfferRow& b) {
  CHECK(a.number == b.number);
  CHECK(a.id == b.id);
  CHECK(a.peer == b.peer);
  CHECK(a.direction == b.direction);
  CHECK(a.state == b.state);
  CHECK(a.paused == b.paused);
  CHECK(a.decided_by == b.decided_by);
  CHECK(a.spent == b.spent);
  CHECK(a.limit == b.limit);
  CHECK(a.offer == b.offer);
  CHECK(a.ledger_state == b.ledger_state);
  CHECK(a.round == b.round);
  CHECK(a.done_round == b.done_round);
  CHECK(a.say == b.say);
  CHECK(a.manifest_here == b.manifest_here);
  CHECK(a.paths == b.paths);
  CHECK(a.options == b.options);
  CHECK(a.files_done == b.files_done);
  CHECK(a.bytes_done == b.bytes_done);
  CHECK(a.failed == b.failed);
  CHECK(a.outcome_text == b.outcome_text);
  CHECK(a.delivered_to == b.delivered_to);
  CHECK(a.failures == b.failures);
  CHECK(a.made == b.made);
  CHECK(a.expires == b.expires);
  CHECK(a.ended == b.ended);
}

void save_ended(Database& db, std::uint64_t number, unsigned char peer, const char* state,
                UnixTime ended) {
  OfferRow row = whole_offer(number);
  row.peer = peer_id(peer);
  row.state = state;
  row.ended = ended;
  REQUIRE(db.save(row));
}

std::vector<std::uint64_t> numbers(const Result<std::vector<OfferRow>>& rows) {
  REQUIRE(rows);
  std::vector<std::uint64_t> out;
  for (const OfferRow& row : *rows) out.push_back(row.number);
  return out;
}

}  // namespace

TEST_CASE("a database is made private and holds nothing at first") {
  const Folder folder;
  const mode_t old = ::umask(0);
  auto db = open(folder);
  REQUIRE(db->save(contact(1, "bob")));
  ::umask(old);
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    CAPTURE(entry.path().string());
    struct stat found {};
    REQUIRE(::stat(entry.path().c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);
  }
  CHECK(!fs::exists(folder.file() + ".new"));
  CHECK(db->open_offers()->empty());
  CHECK(db->shares()->empty());
}

TEST_CASE("a contact comes back as it was saved, and again after the next start") {
  const Folder folder;
  ContactRow row = contact(1, "bob");
  row.verified = true;
  row.blocked = true;
  row.addresses = {{"192.168.1.7:56744", Learned::given, 5, 7, 7},
                   {"[::1]:7000", Learned::heard, 6, 6, 0}};
  row.note = "her laptop";
  row.calls_itself = "B\x1b[2J\xff";
  row.added = 1'700'000'000;
  row.last_seen = -5;
  {
    auto db = open(folder);
    REQUIRE(db->save(contact(1, "old name")));
    REQUIRE(db->save(row));
  }
  auto db = open(folder);
  const auto rows = db->contacts();
  REQUIRE(rows);
  REQUIRE(rows->size() == 1);
  const ContactRow& got = rows->front();
  CHECK(got.id == row.id);
  CHECK(got.name == "bob");
  CHECK(got.verified);
  CHECK(!got.trusted);
  CHECK(got.blocked);
  REQUIRE(got.addresses.size() == 2);
  CHECK(got.addresses[0].text == "192.168.1.7:56744");
  CHECK(got.addresses[0].learned == Learned::given);
  CHECK(got.addresses[0].first_seen == 5);
  CHECK(got.addresses[0].last_answered == 7);
  CHECK(got.addresses[1].learned == Learned::heard);
  CHECK(got.addresses[1].last_seen == 6);
  CHECK(got.note == "her laptop");
  CHECK(got.calls_itself == row.calls_itself);
  CHECK(got.added == row.added);
  CHECK(got.last_seen == -5);
  REQUIRE(db->remove_contact(row.id));
  CHECK(db->contacts()->empty());
  CHECK(db->remove_contact(row.id));
}

TEST_CASE("names of contacts are unique without regard to case; blocked strangers have none") {
  const Folder folder;
  auto db = open(folder);
  REQUIRE(db->save(contact(1, "bob")));
  const auto twin = db->save(contact(2, "BOB"));
  REQUIRE(!twin);
  CHECK(twin.error().code == DatabaseErrc::name_taken);
  CHECK(twin.error().text().find("BOB") != std::string::npos);
  REQUIRE(db->save(contact(1, "Bob")));
  REQUIRE(db->save(contact(3, "")));
  REQUIRE(db->save(contact(4, "")));
  CHECK(db->contacts()->size() == 4 - 1);
}

TEST_CASE("the addresses of a contact go and come with it") {
  const Folder folder;
  auto db = open(folder);
  ContactRow row = contact(1, "bob");
  row.addresses = {{"10.0.0.1:1", Learned::met, 1, 1, 1}, {"10.0.0.2:1", Learned::met, 2, 2, 2}};
  REQUIRE(db->save(row));
  CHECK(db->contacts()->front().addresses.front().text == "10.0.0.2:1");
  row.addresses.pop_back();
  REQUIRE(db->save(row));
  CHECK(db->contacts()->front().addresses.size() == 1);
  REQUIRE(db->remove_contact(row.id));
  REQUIRE(db->save(contact(1, "bob")));
  CHECK(db->contacts()->front().addresses.empty());
}

TEST_CASE("several contacts are saved all or none") {
  const Folder folder;
  auto db = open(folder);
  REQUIRE(db->save(contact(1, "bob")));
  const auto saved = db->save(std::vector{contact(2, "carol"), contact(3, "Bob")});
  REQUIRE(!saved);
  CHECK(saved.error().code == DatabaseErrc::name_taken);
  CHECK(db->contacts()->size() == 1);
  REQUIRE(db->save(std::vector{contact(2, "carol"), contact(3, "dave")}));
  CHECK(db->contacts()->size() == 3);
}

TEST_CASE("addresses that an earlier version kept in a list are still known") {
  const Folder folder;
  {
    SQLite::Database old(folder.file(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    migrate(old, 4);
    old.exec(
        "INSERT INTO contacts (id, name, verified, trusted, blocked, addresses, calls_itself, "
        "added, last_seen, heard_at) VALUES "
        "(zeroblob(32), 'bob', 1, 1, 0, CAST('17:192.168.1.7:5674410:[::1]:70009:bob.lan:5' AS "
        "BLOB), x'', 100, 900, CAST('10.0.0.1:56744' AS BLOB)), "
        "(x'" +
        std::string(64, 'f') + "', 'carol', 0, 0, 0, x'', x'', 100, 0, x'')");
  }
  auto db = open(folder);
  const auto rows = db->contacts();
  REQUIRE(rows);
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[1].addresses.empty());
  const auto& bob = (*rows)[0];
  CHECK(bob.trusted);
  CHECK(bob.note.empty());
  REQUIRE(bob.addresses.size() == 4);
  CHECK(bob.addresses[0].text == "192.168.1.7:56744");
  CHECK(bob.addresses[0].last_answered == 900);
  CHECK(bob.addresses[0].first_seen == 100);
  CHECK(bob.addresses[1].text == "[::1]:7000");
  CHECK(bob.addresses[2].text == "bob.lan:5");
  CHECK(bob.addresses[2].learned == Learned::met);
  CHECK(bob.addresses[3].text == "10.0.0.1:56744");
  CHECK(bob.addresses[3].learned == Learned::heard);
  CHECK(bob.addresses[3].last_answered == 0);
}

TEST_CASE("an offer comes back as it was saved, any bytes in it, and is replaced by its number") {
  const Folder folder;
  const OfferRow row = whole_offer(5);
  {
    auto db = open(folder);
    REQUIRE(db->save(row));
  }
  auto db = open(folder);
  auto got = db->offer(5);
  REQUIRE(got);
  REQUIRE(*got);
  check_same(**got, row);

  OfferRow changed = row;
  changed.direction = Direction::given;
  changed.offer.get.reset();
  changed.say.clear();
  changed.paths.clear();
  changed.failures.clear();
  changed.bytes_done = 2000;
  REQUIRE(db->save(changed));
  got = db->offer(5);
  REQUIRE(got);
  check_same(**got, changed);
  CHECK(numbers(db->open_offers()) == std::vector<std::uint64_t>{5});
  got = db->offer(6);
  REQUIRE(got);
  CHECK(!*got);
}

TEST_CASE("no more failures are kept than are named on the wire") {
  const Folder folder;
  auto db = open(folder);
  OfferRow row = whole_offer(1);
  row.failures.assign(peer::protocol::kMaxFailuresNamed + 1, {1, "x"});
  REQUIRE(db->save(row));
  const auto got = db->offer(1);
  CHECK((*got)->failures.size() == peer::protocol::kMaxFailuresNamed);
}

TEST_CASE("numbers go up and are never given twice, whatever becomes of the program") {
  const Folder folder;
  {
    auto db = open(folder);
    CHECK(*db->next_number() == 1);
    CHECK(*db->next_number() == 2);
  }
  auto db = open(folder);
  CHECK(*db->next_number() == 3);
  // As a killed program leaves the files: nothing is closed.
  const Folder other;
  for (const char* suffix : {"", "-wal"})
    fs::copy_file(folder.file() + suffix, other.file() + suffix);
  auto copy = open(other);
  CHECK(*copy->next_number() == 4);
}

TEST_CASE("open offers, history and ended ones are told apart") {
  const Folder folder;
  auto db = open(folder);
  REQUIRE(db->save(whole_offer(1)));
  save_ended(*db, 2, 7, "done", 100);
  save_ended(*db, 3, 8, "rejected", 200);
  save_ended(*db, 4, 7, "cancelled", 300);
  REQUIRE(db->save(whole_offer(5)));
  save_ended(*db, 6, 7, "expired", 400);
  save_ended(*db, 7, 7, "failed", 500);

  using Numbers = std::vector<std::uint64_t>;
  CHECK(numbers(db->open_offers()) == Numbers{1, 5});
  CHECK(numbers(db->history(0, 100, {})) == Numbers{7, 6, 4, 3, 2});
  CHECK(numbers(db->history(0, 2, {})) == Numbers{7, 6});
  CHECK(numbers(db->history(6, 2, {})) == Numbers{4, 3});
  CHECK(numbers(db->history(2, 2, {})) == Numbers{});
  CHECK(numbers(db->history(0, 100, peer_id(8))) == Numbers{3});
  CHECK(numbers(db->history(6, 1, peer_id(7))) == Numbers{4});
  CHECK(numbers(db->history(0, 0, {})) == Numbers{});

  const auto ended = db->ended_between(200, 501);
  REQUIRE(ended);
  REQUIRE(ended->size() == 4);
  std::vector<Outcome> outcomes;
  for (const auto& e : *ended) {
    outcomes.push_back(e.outcome);
    CHECK(e.direction == Direction::taken);
    CHECK(e.id == whole_offer(1).id);
  }
  CHECK(outcomes == std::vector<Outcome>{Outcome::rejected, Outcome::cancelled, Outcome::expired,
                                         Outcome::failed});
  CHECK(db->ended_between(501, 1000)->empty());
  CHECK(db->ended_between(0, 500)->size() == 4);

  REQUIRE(db->remove_offer(7));
  REQUIRE(db->remove_offer(70));
  CHECK(numbers(db->history(0, 2, {})) == Numbers{6, 4});
  CHECK(numbers(db->open_offers()) == Numbers{1, 5});
}

TEST_CASE("the history goes by the end, page by page, whatever the numbers") {
  const Folder folder;
  auto db = open(folder);
  save_ended(*db, 1, 7, "done", 900);
  save_ended(*db, 2, 7, "done", 100);
  save_ended(*db, 3, 8, "done", 500);
  save_ended(*db, 4, 7, "done", 500);
  REQUIRE(db->save(whole_offer(5)));
  using Numbers = std::vector<std::uint64_t>;
  CHECK(numbers(db->history(0, 100, {})) == Numbers{1, 4, 3, 2});
  CHECK(numbers(db->history(0, 2, {})) == Numbers{1, 4});
  CHECK(numbers(db->history(4, 2, {})) == Numbers{3, 2});
  CHECK(numbers(db->history(2, 2, {})) == Numbers{});
  CHECK(numbers(db->history(1, 100, peer_id(7))) == Numbers{4, 2});
  CHECK(numbers(db->history(5, 100, {})) == Numbers{1, 4, 3, 2});  // one whose end is not noted yet
  CHECK(numbers(db->history(6, 100, {})) == Numbers{});
}

TEST_CASE("what is cleared is told of no more, and its id is known until it is forgotten") {
  const Folder folder;
  auto db = open(folder);
  REQUIRE(db->save(whole_offer(1)));
  save_ended(*db, 2, 7, "done", 100);
  save_ended(*db, 3, 8, "rejected", 200);
  save_ended(*db, 4, 7, "cancelled", 300);
  using Numbers = std::vector<std::uint64_t>;
  CHECK(*db->clear_history(100, {}) == 0);
  CHECK(*db->clear_history(301, peer_id(8)) == 1);
  CHECK(numbers(db->history(0, 100, {})) == Numbers{4, 2});
  CHECK(*db->clear_history(300, {}) == 1);
  CHECK(*db->clear_history(300, {}) == 0);
  CHECK(numbers(db->history(0, 100, {})) == Numbers{4});
  CHECK(!*db->offer(2));
  CHECK(*db->offer(4));
  CHECK(numbers(db->open_offers()) == Numbers{1});
  CHECK(db->ended_between(0, 1000)->size() == 3);
  REQUIRE(db->forget_cleared(200));
  CHECK(db->ended_between(0, 1000)->size() == 2);
  REQUIRE(db->forget_cleared(1000));
  CHECK(db->ended_between(0, 1000)->size() == 1);
  CHECK(numbers(db->history(0, 100, {})) == Numbers{4});
}

TEST_CASE("whom a rule means by a name is kept until it is forgotten") {
  const Folder folder;
  {
    auto db = open(folder);
    REQUIRE(db->save(PolicyName{"bob", peer_id(1)}));
    REQUIRE(db->save(PolicyName{"bob", peer_id(2)}));
    REQUIRE(db->save(PolicyName{"carol", peer_id(3)}));
    REQUIRE(db->remove_policy_name("carol"));
  }
  const auto names = open(folder)->policy_names();
  REQUIRE(names);
  REQUIRE(names->size() == 1);
  CHECK(names->front().name == "bob");
  CHECK(names->front().id == peer_id(2));
}

TEST_CASE("shares keep their folder's bytes and whom they are for") {
  const Folder folder;
  ShareRow row;
  row.name = "music";
  row.folder = "/srv/m\xfcsic";
  row.with = {peer_id(1), peer_id(2)};
  {
    auto db = open(folder);
    REQUIRE(db->save(row));
  }
  auto db = open(folder);
  auto rows = db->shares();
  REQUIRE(rows->size() == 1);
  CHECK(rows->front().name == row.name);
  CHECK(rows->front().folder == row.folder);
  CHECK(rows->front().with == row.with);
  row.with.clear();
  REQUIRE(db->save(row));
  rows = db->shares();
  REQUIRE(rows->size() == 1);
  CHECK(rows->front().with.empty());
  REQUIRE(db->remove_share("music"));
  CHECK(db->shares()->empty());
}

TEST_CASE("forgetting a contact does not open what was shared with it alone") {
  const Folder folder;
  auto db = open(folder);
  REQUIRE(db->save(contact(1, "bob")));
  ShareRow row;
  row.name = "private";
  row.folder = "/srv/private";
  row.with = {peer_id(1)};
  REQUIRE(db->save(row));
  REQUIRE(db->remove_contact(peer_id(1)));
  const auto rows = db->shares();
  REQUIRE(rows->size() == 1);
  CHECK(rows->front().with.size() == 1);
}

TEST_CASE("a file that is no sound database is an error that names it, and is left as it is") {
  const Folder folder;
  {
    auto db = open(folder);
    for (unsigned char i = 0; i < 200; ++i)
      REQUIRE(db->save(contact(i, "contact-" + std::to_string(i))));
  }
  const std::string sound = contents(folder.file());
  std::string flipped = sound;
  constexpr std::size_t kPage = 4096;
  for (std::size_t i = 0; i < 200; ++i) flipped[flipped.size() / kPage / 2 * kPage + i] ^= '\x5a';
  std::string swapped = sound;  // no page is broken, but what one says another denies
  swapped.replace(swapped.rfind("contact-7"), 9, "someone-7");
  const std::string damaged[] = {
      "",      "this is a text", std::string(8192, '\0'), sound.substr(0, sound.size() / 2),
      flipped, swapped,          "x" + sound.substr(1)};
  for (const std::string& bytes : damaged) {
    CAPTURE(bytes.size());
    write(folder.file(), bytes);
    const auto opened = Database::open(folder.file());
    REQUIRE(!opened);
    CHECK(opened.error().code == DatabaseErrc::damaged);
    CHECK(opened.error().text().find(folder.file()) != std::string::npos);
    CHECK(contents(folder.file()) == bytes);
    fs::remove(folder.file() + "-wal");
    fs::remove(folder.file() + "-shm");
  }
}

TEST_CASE("a log whose database is gone is not played into a new one") {
  const Folder folder;
  write(folder.file() + "-wal", "something");
  const auto opened = Database::open(folder.file());
  REQUIRE(!opened);
  CHECK(opened.error().code == DatabaseErrc::damaged);
  CHECK(!fs::exists(folder.file()));
}

TEST_CASE("another program's database is not touched") {
  const Folder folder;
  {
    SQLite::Database other(folder.file(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    other.exec("CREATE TABLE t (x)");
  }
  const std::string before = contents(folder.file());
  const auto opened = Database::open(folder.file());
  REQUIRE(!opened);
  CHECK(opened.error().code == DatabaseErrc::damaged);
  CHECK(contents(folder.file()) == before);
}

TEST_CASE("a later version's database is refused and left as it is") {
  const Folder folder;
  open(folder).reset();
  {
    SQLite::Database db(folder.file(), SQLite::OPEN_READWRITE);
    db.exec("PRAGMA user_version = 999");
  }
  const std::string before = contents(folder.file());
  const auto opened = Database::open(folder.file());
  REQUIRE(!opened);
  CHECK(opened.error().code == DatabaseErrc::later_version);
  CHECK(opened.error().text().find("later version") != std::string::npos);
  CHECK(contents(folder.file()) == before);
}

TEST_CASE("half a database that a crash left behind is made anew") {
  const Folder folder;
  write(folder.file() + ".new", "half");
  auto db = open(folder);
  CHECK(*db->next_number() == 1);
  CHECK(!fs::exists(folder.file() + ".new"));
}

TEST_CASE("a folder that does not exist is an error that names the file") {
  const auto opened = Database::open("/nowhere/peer.db");
  REQUIRE(!opened);
  CHECK(opened.error().text().find("/nowhere/peer.db") != std::string::npos);
}

TEST_CASE("saving an offer does not wait for the disk") {
  const Folder folder;
  auto db = open(folder);
  const OfferRow row = whole_offer(1);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2'000; ++i) REQUIRE(db->save(row));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  CHECK(took.count() < 5.0);
}
