#include <doctest/doctest.h>

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "trust/spake2.hpp"
#include "trust_support.hpp"

namespace spake2 = peer::trust::spake2;
using peer::test::hex;
using peer::test::unhex;
using spake2::Role;
using spake2::Scalar;

namespace {

Scalar scalar(const std::string& digits) { return Scalar(unhex(digits)); }
Scalar small(unsigned char value) {
  Scalar out(std::string(32, '\0'));
  out.bytes.back() = static_cast<char>(value);
  return out;
}

constexpr spake2::Setting kSetting{"alice", "bob", "this connection"};

/// The point of the same x on the other side: -P.
std::string negated(const std::string& point) {
  constexpr char kPrime[] = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
  const std::string prime = unhex(kPrime);
  std::string out = point;
  int borrow = 0;
  for (std::size_t i = 32; i-- > 0;) {
    const int digit =
        static_cast<unsigned char>(prime[i]) - static_cast<unsigned char>(point[33 + i]) - borrow;
    borrow = digit < 0 ? 1 : 0;
    out[33 + i] = static_cast<char>(digit + 256 * borrow);
  }
  return out;
}

}  // namespace

TEST_SUITE("spake2") {
  TEST_CASE("the vectors of RFC 9382 come out, on both sides") {
    const auto all = peer::test::vectors("rfc9382_p256.txt");
    REQUIRE(all.size() == 4);
    for (auto v : all) {
      CAPTURE(v["w"]);
      const Scalar w = scalar(v["w"]);
      const Scalar x = scalar(v["x"]);
      const Scalar y = scalar(v["y"]);
      const auto share_a = spake2::share(Role::a, w, x);
      const auto share_b = spake2::share(Role::b, w, y);
      CHECK(hex(share_a) == v["share_a"]);
      CHECK(hex(share_b) == v["share_b"]);
      const spake2::Setting setting{v["id_a"], v["id_b"], ""};
      const auto of_a = spake2::agree(Role::a, setting, w, x, share_b);
      const auto of_b = spake2::agree(Role::b, setting, w, y, share_a);
      REQUIRE(of_a);
      REQUIRE(of_b);
      for (const auto* keys : {&*of_a, &*of_b}) {
        CHECK(hex(keys->shared.bytes) == v["hash"].substr(0, 32));
        CHECK(hex(keys->confirm_a.bytes) == v["confirm_a"]);
        CHECK(hex(keys->confirm_b.bytes) == v["confirm_b"]);
        CHECK(hex(keys->mac_a) == v["mac_a"]);
        CHECK(hex(keys->mac_b) == v["mac_b"]);
      }
    }
  }

  TEST_CASE("whatever differs, the confirmations differ") {
    const Scalar w = small(7);
    const Scalar x = spake2::random_scalar();
    const Scalar y = spake2::random_scalar();
    const auto share_a = spake2::share(Role::a, w, x);
    const auto share_b = spake2::share(Role::b, w, y);
    const auto right = spake2::agree(Role::a, kSetting, w, x, share_b);
    REQUIRE(right);
    const auto differs = [&](const char* what, const std::optional<spake2::Keys>& other,
                             bool same_shared = false) {
      CAPTURE(what);
      REQUIRE(other);
      CHECK((other->shared.bytes == right->shared.bytes) == same_shared);
      CHECK(other->mac_a != right->mac_a);
      CHECK(other->mac_b != right->mac_b);
    };
    CHECK(spake2::agree(Role::b, kSetting, w, y, share_a)->mac_a == right->mac_a);
    differs("w", spake2::agree(Role::b, kSetting, small(8), y, share_a));
    differs("id A", spake2::agree(Role::b, {"alicf", "bob", "this connection"}, w, y, share_a));
    differs("id B", spake2::agree(Role::b, {"alice", "boc", "this connection"}, w, y, share_a));
    differs("where one id ends",
            spake2::agree(Role::b, {"aliceb", "ob", "this connection"}, w, y, share_a));
    differs("associated data", spake2::agree(Role::b, {"alice", "bob", "that"}, w, y, share_a),
            true);
    differs("the role", spake2::agree(Role::a, kSetting, w, y, share_a));
    CHECK(right->mac_a != right->mac_b);
  }

  TEST_CASE("a share that is no point of the curve is refused") {
    const Scalar w = small(7);
    const Scalar x = small(9);
    const std::string good = spake2::share(Role::b, w, small(11));
    std::vector<std::string> bad{
        "",
        std::string(1, '\0'),   // what OpenSSL reads as infinity
        std::string(65, '\0'),  // infinity, padded
        std::string("\4") + std::string(64, '\0'),
        std::string("\4") + std::string(64, '\xff'),
        good.substr(0, 64),
        good + '\0',
        std::string("\2") + good.substr(1, 32),  // compressed: right, but not how it is said
        std::string(65, 'x'),
    };
    for (const char form : {'\0', '\1', '\2', '\3', '\5', '\6', '\7'})
      bad.push_back(form + good.substr(1));
    for (const std::size_t at : {1U, 32U, 33U, 64U}) {
      bad.push_back(good);
      bad.back()[at] ^= 1;
    }
    for (const auto& share : bad) {
      CAPTURE(hex(share));
      CHECK(!spake2::agree(Role::a, kSetting, w, x, share));
    }
    CHECK(spake2::agree(Role::a, kSetting, w, x, good));
  }

  TEST_CASE("a share that makes the common point the neutral one is refused") {
    // With w = 1 and a secret of 0, the share is the blinding point itself.
    const Scalar one = small(1);
    const Scalar none = small(0);
    for (const Role role : {Role::a, Role::b}) {
      const auto theirs = role == Role::a ? Role::b : Role::a;
      const auto blinding = spake2::share(theirs, one, none);
      CHECK(!spake2::agree(role, kSetting, one, small(5), blinding));
      CHECK(spake2::agree(role, kSetting, one, small(5), negated(blinding)));
    }
  }

  TEST_CASE("wide numbers are taken modulo the order") {
    const auto order = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    auto above = order;
    above.back() = static_cast<char>(above.back() + 5);
    CHECK(spake2::reduced(order).bytes == small(0).bytes);
    CHECK(spake2::reduced(above).bytes == small(5).bytes);
    CHECK(spake2::reduced(std::string(8, '\0') + small(3).bytes).bytes == small(3).bytes);
    CHECK(spake2::reduced(std::string(40, '\xff')).bytes.size() == 32);
  }

  TEST_CASE("secrets are new every time") {
    CHECK(spake2::random_scalar().bytes != spake2::random_scalar().bytes);
    CHECK(spake2::random_scalar().bytes.size() == 32);
  }

  TEST_CASE("MACs are compared whole") {
    CHECK(spake2::same_mac("abc", "abc"));
    CHECK(!spake2::same_mac("abc", "abd"));
    CHECK(!spake2::same_mac("abc", "ab"));
    CHECK(!spake2::same_mac("", "a"));
  }
}
