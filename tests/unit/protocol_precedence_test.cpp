#include <ostream>
// doctest wants <ostream> first

#include <doctest/doctest.h>

#include "protocol/precedence.hpp"

using namespace peer::protocol;

namespace {

Instance instance(int n) {
  Instance i;
  i.bytes[0] = static_cast<std::byte>(n);
  return i;
}

SessionKey key(int theirs, bool we_dialled, std::uint64_t dial) {
  return {instance(1), instance(theirs), we_dialled, dial};
}

/// The same two sessions as the other side sees them.
SessionKey mirrored(const SessionKey& key) {
  return {key.theirs, key.ours, !key.we_dialled, key.dial};
}

}  // namespace

TEST_SUITE("precedence") {
  TEST_CASE("a new process of the peer replaces the session with the old one") {
    CHECK(which_stays(key(2, true, 9), key(3, false, 1), true) == Keep::the_new);
    CHECK(which_stays(key(2, true, 9), key(3, true, 1), false) == Keep::the_new);
  }

  TEST_CASE("of two that one side dialled the higher number stays, whichever came first") {
    for (const bool lower : {true, false})
      for (const bool dialled : {true, false}) {
        CHECK(which_stays(key(2, dialled, 1), key(2, dialled, 2), lower) == Keep::the_new);
        CHECK(which_stays(key(2, dialled, 2), key(2, dialled, 1), lower) == Keep::the_old);
        CHECK(which_stays(key(2, dialled, 2), key(2, dialled, 2), lower) == Keep::the_old);
      }
  }

  TEST_CASE("of crossed ones the lower ID's dial stays if it answers") {
    CHECK(which_stays(key(2, false, 7), key(2, true, 1), true) == Keep::the_new_if_it_answers);
    CHECK(which_stays(key(2, true, 1), key(2, false, 7), true) == Keep::the_old_if_it_answers);
    CHECK(which_stays(key(2, false, 7), key(2, true, 1), false) == Keep::the_old_if_it_answers);
    CHECK(which_stays(key(2, true, 1), key(2, false, 7), false) == Keep::the_new_if_it_answers);
  }

  TEST_CASE("both sides come to the same answer") {
    for (const bool old_ours : {true, false})
      for (const bool new_ours : {true, false})
        for (const std::uint64_t old_dial : {1u, 2u})
          for (const std::uint64_t new_dial : {1u, 2u}) {
            const auto a = key(2, old_ours, old_dial);
            const auto b = key(2, new_ours, new_dial);
            CHECK(which_stays(a, b, true) == which_stays(mirrored(a), mirrored(b), false));
          }
  }
}
