#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <asio/detached.hpp>
#include <ostream>

#include "async/event.hpp"
#include "net/dial.hpp"
#include "net/endpoint_text.hpp"
#include "net/interfaces.hpp"
#include "net/listener.hpp"
#include "net/network_watch.hpp"
#include "net/resolve.hpp"
#include "net_support.hpp"

using namespace peer::test;
using namespace std::chrono_literals;
using peer::net::dial;
using peer::net::Listener;

namespace {

/// A port of this machine on which nobody listens.
std::uint16_t free_port() {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io,
                                   asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  return acceptor.local_endpoint().port();
}

std::unique_ptr<Listener> must_listen(asio::io_context& io, std::vector<std::string> addresses) {
  auto listener = Listener::open(io.get_executor(), addresses, 0);
  if (!listener) throw std::runtime_error(listener.error().text());
  return std::move(*listener);
}

}  // namespace

TEST_SUITE("dial and listen") {
  TEST_CASE("bounds per address count an IPv6 host's network") {
    const auto network = [](const char* address) {
      return peer::net::network_text(asio::ip::make_address(address));
    };
    CHECK(network("192.168.1.7") == "192.168.1.7");
    CHECK(network("::ffff:192.168.1.7") == "192.168.1.7");
    CHECK(network("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64");
    CHECK(network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::"));
    CHECK(network("2001:db8:1:3::1") != network("2001:db8:1:2::1"));
    CHECK(network("::1") == "::1");
    CHECK(network("fe80::1") != network("fe80::2"));
  }

  TEST_CASE("a listener takes whoever dials, by address and by name") {
    asio::io_context io;
    auto listener = must_listen(io, {});
    int taken = 0;
    peer::async::Event changed(io.get_executor());
    asio::co_spawn(io, listener->run([&](asio::ip::tcp::socket socket) {
      asio::ip::tcp::no_delay no_delay;
      socket.get_option(no_delay);
      CHECK(no_delay.value());
      ++taken;
      changed.notify_all();
    }),
                   asio::detached);
    auto body = [&]() -> asio::awaitable<void> {
      auto by_address = co_await dial("127.0.0.1", listener->port(), 10s);
      REQUIRE(by_address);
      asio::ip::tcp::no_delay no_delay;
      by_address->get_option(no_delay);
      CHECK(no_delay.value());
      auto by_name = co_await dial("localhost", listener->port(), 10s);
      REQUIRE(by_name);
      while (taken < 2) co_await changed.wait();
      listener->close();
    };
    run(io, body());
    io.run_for(10s);
    CHECK(taken == 2);
    CHECK(io.stopped());  // the accept loops have ended
  }

  TEST_CASE("a taken port is an error that names it") {
    asio::io_context io;
    auto first = must_listen(io, {"127.0.0.1"});
    auto second = Listener::open(io.get_executor(), {"127.0.0.1"}, first->port());
    REQUIRE(!second);
    CHECK(second.error().code == std::errc::address_in_use);
    CHECK(second.error().context == "listen on 127.0.0.1:" + std::to_string(first->port()));
    auto all = Listener::open(io.get_executor(), {}, first->port());
    REQUIRE(!all);
    CHECK(all.error().code == std::errc::address_in_use);
  }

  TEST_CASE("what is no address is refused by name") {
    asio::io_context io;
    for (const std::string text : {"localhost", "", "1.2.3", "::1::", "127.0.0.1:80"}) {
      CAPTURE(text);
      auto listener = Listener::open(io.get_executor(), {text}, 0);
      REQUIRE(!listener);
      CHECK(listener.error().code == std::errc::invalid_argument);
    }
  }

  TEST_CASE("a listener on loopback only is reachable there only") {
    asio::io_context io;
    auto listener = must_listen(io, {"127.0.0.1"});
    const std::vector<std::string> wanted{"127.0.0.1:" + std::to_string(listener->port())};
    CHECK(listener->reachable_at() == wanted);
  }

  // The undefined behaviour sanitizer, used with the address sanitizer, needs descriptors itself.
#if !defined(__SANITIZE_ADDRESS__)
  TEST_CASE("without free descriptors accepting pauses and recovers") {
    asio::io_context io;
    auto listener = must_listen(io, {"127.0.0.1"});
    int taken = 0;
    peer::async::Event changed(io.get_executor());
    auto take = [&](asio::ip::tcp::socket) {
      ++taken;
      changed.notify_all();
    };
    asio::co_spawn(io, listener->run(take), asio::detached);
    auto body = [&]() -> asio::awaitable<void> {
      asio::ip::tcp::socket client(io);
      client.open(asio::ip::tcp::v4());
      rlimit before{};
      ::getrlimit(RLIMIT_NOFILE, &before);
      rlimit none = before;
      none.rlim_cur = 3;
      ::setrlimit(RLIMIT_NOFILE, &none);
      client.connect({asio::ip::address_v4::loopback(), listener->port()});
      const bool early = co_await changed.wait_for(120ms);
      ::setrlimit(RLIMIT_NOFILE, &before);
      CHECK(!early);
      while (taken == 0) co_await changed.wait();
      listener->close();
    };
    run(io, body());
    io.run_for(10s);
    CHECK(taken == 1);
  }
#endif

  TEST_CASE("a client whose handling throws does not end the listener") {
    asio::io_context io;
    auto listener = must_listen(io, {"127.0.0.1"});
    int taken = 0;
    peer::async::Event changed(io.get_executor());
    auto take = [&](asio::ip::tcp::socket) {
      changed.notify_all();
      if (++taken == 1) throw std::runtime_error("first");
    };
    asio::co_spawn(io, listener->run(take), asio::detached);
    auto body = [&]() -> asio::awaitable<void> {
      auto one = co_await dial("127.0.0.1", listener->port(), 10s);
      auto two = co_await dial("127.0.0.1", listener->port(), 10s);
      CHECK(one);
      CHECK(two);
      while (taken < 2) co_await changed.wait();
      listener->close();
    };
    run(io, body());
    io.run_for(10s);
    CHECK(taken == 2);
  }

  TEST_CASE("nobody there is a refusal that names host and address") {
    asio::io_context io;
    const auto port = free_port();
    auto body = [&]() -> asio::awaitable<void> {
      auto by_address = co_await dial("127.0.0.1", port, 10s);
      REQUIRE(!by_address);
      CHECK(by_address.error().code == std::errc::connection_refused);
      CHECK(by_address.error().context == "connect to 127.0.0.1:" + std::to_string(port));
      auto by_name = co_await dial("localhost", port, 10s);
      REQUIRE(!by_name);
      CHECK(by_name.error().code == std::errc::connection_refused);
      CHECK(by_name.error().context.starts_with("connect to localhost at "));
    };
    run(io, body());
  }

  TEST_CASE("a dial that may take no time times out, and may be cancelled") {
    asio::io_context io;
    auto body = [&]() -> asio::awaitable<void> {
      auto late = co_await dial("127.0.0.1", 9, 0ms);
      REQUIRE(!late);
      CHECK(late.error().code == std::errc::timed_out);
    };
    run(io, body());
  }

  TEST_CASE("a name that cannot be is said so") {
    asio::io_context io;
    auto body = [&]() -> asio::awaitable<void> {
      for (const std::string& host : {std::string(), std::string("a\0b", 3)}) {
        auto none = co_await dial(host, 9, 10s);
        REQUIRE(!none);
        CHECK(none.error().code == std::errc::invalid_argument);
      }
    };
    run(io, body());
  }

  TEST_CASE("addresses are known as such, with brackets and scopes") {
    using peer::net::literal_address;
    CHECK(literal_address("192.168.1.7"));
    CHECK(literal_address("[::1]"));
    CHECK(literal_address("2001:db8::1"));
    REQUIRE(literal_address("fe80::1%lo"));
    CHECK(literal_address("fe80::1%lo")->to_v6().scope_id() == 1);
    for (const std::string text : {"", "[]", "host", "1.2.3.4.5", "[1.2.3.4", "::1]"}) {
      CAPTURE(text);
      CHECK(!literal_address(text));
    }
  }

  TEST_CASE("reachable addresses: people's networks first, bridges last, no loopback beside them") {
    using asio::ip::make_address;
    using peer::net::MachineAddress;
    const std::vector<MachineAddress> machine{
        {"lo", make_address("127.0.0.1")},       {"lo", make_address("::1")},
        {"docker0", make_address("172.17.0.1")}, {"eth0", make_address("169.254.3.4")},
        {"eth0", make_address("192.168.1.7")},   {"eth0", make_address("fe80::1")},
        {"eth0", make_address("2001:db8::7")},
    };
    const auto any4 = make_address("0.0.0.0");
    const auto any6 = make_address("::");
    const auto at = [&](const std::vector<asio::ip::address>& bound) {
      std::string out;
      for (const auto& address : peer::net::reachable_addresses(bound, machine))
        out += address.to_string() + " ";
      return out;
    };
    CHECK(at({any6, any4}) == "192.168.1.7 169.254.3.4 172.17.0.1 2001:db8::7 ");
    CHECK(at({any4}) == "192.168.1.7 169.254.3.4 172.17.0.1 ");
    CHECK(at({any6}) == "2001:db8::7 ");
    CHECK(at({make_address("127.0.0.1")}) == "127.0.0.1 ");
    CHECK(at({make_address("192.168.1.7"), any4, make_address("::1")}) ==
          "192.168.1.7 169.254.3.4 172.17.0.1 ");
  }
}

TEST_CASE("an address of this machine is told from those of others") {
  CHECK(peer::net::is_own_address(asio::ip::make_address("127.0.0.1")));
  CHECK(!peer::net::is_own_address(asio::ip::make_address("192.0.2.1")));  // RFC 5737: nobody's
  CHECK(!peer::net::is_own_address(asio::ip::make_address("2001:db8::1")));
}
