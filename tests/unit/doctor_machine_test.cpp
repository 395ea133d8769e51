#include <doctest/doctest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <ostream>
#include <string>

#include "doctor/cipher.hpp"
#include "doctor/disk.hpp"
#include "doctor/interfaces.hpp"
#include "doctor/port.hpp"
#include "doctor/proc.hpp"
#include "doctor/versions.hpp"

using namespace peer::doctor;
using State = Check::State;
namespace fs = std::filesystem;

namespace {

struct TemporaryFolder {
  std::string path = (fs::temp_directory_path() / "peer-doctor-XXXXXX").string();
  TemporaryFolder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("who listens on a port, by the kernel's table") {
  const std::string table =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 00000000:DDA8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 4711 1\n"
      "   1: 0100007F:DDA8 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000 0 4712 1\n"
      "   2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 4713 1\n"
      "   3: garbage\n";
  CHECK(listening_sockets(table, 56744) == std::vector<std::uint64_t>{4711});
  CHECK(listening_sockets(table, 22) == std::vector<std::uint64_t>{4713});
  CHECK(listening_sockets(table, 23).empty());
  CHECK(listening_sockets("", 22).empty());

  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&at), length) == 0);
  REQUIRE(::listen(fd, 1) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length) == 0);
  const auto holder = port_holder(ntohs(at.sin_port));
  REQUIRE(holder);
  CHECK(holder->pid == ::getpid());
  CHECK(holder->program.starts_with("unit_doctor"));
  ::close(fd);
  CHECK(!port_holder(ntohs(at.sin_port)));
}

TEST_CASE("what is said of the port") {
  PortFacts facts;
  facts.port = 56744;
  facts.holder = Holder{12, "bad\x1b[2Jname"};
  auto check = port_check(facts);
  CHECK(check.state == State::problem);
  CHECK(check.text.find("(pid 12)") != std::string::npos);
  CHECK(check.text.find('\x1b') == std::string::npos);
  CHECK(check.remedy.find("peer config port 56745") != std::string::npos);
  facts.holder = Holder{};
  CHECK(port_check(facts).text.find("another user") != std::string::npos);

  facts = {};
  facts.listening = facts.lasting = true;
  facts.own = {{"127.0.0.1:56744", true, ""}};
  CHECK(port_check(facts).state == State::note);
  facts.own.push_back({"192.168.1.7:56744", false, ""});
  check = port_check(facts);
  CHECK(check.state == State::ok);
  CHECK(check.text.find("192.168.1.7:56744") != std::string::npos);
  facts.own.push_back({"10.0.0.1:56744", false, "no answer"});
  check = port_check(facts);
  CHECK(check.state == State::problem);
  CHECK(check.lines == std::vector<std::string>{"10.0.0.1:56744: no answer"});
  CHECK(check.facts["addresses"].size() == 3);
}

TEST_CASE("whether Linux lends the port to others") {
  CHECK(port_range_check(56744, "32768\t60999\n", "\n").state == State::note);
  CHECK(port_range_check(56744, "32768\t60999\n", "8080,50000-50010\n").remedy ==
        "sudo sysctl net.ipv4.ip_local_reserved_ports=8080,50000-50010,56744");
  CHECK(port_range_check(56744, "32768\t60999\n", "56744\n").state == State::ok);
  CHECK(port_range_check(56744, "32768\t60999\n", "22,56000-57000\n").state == State::ok);
  CHECK(port_range_check(5000, "32768\t60999\n", "\n").state == State::ok);
  CHECK(port_range_check(5000, "", "").state == State::ok);
}

TEST_CASE("interfaces and the local network") {
  CHECK(interfaces_check({{"lo", {"127.0.0.1"}, false, false, true}}).state == State::problem);
  const auto check = interfaces_check({{"lo", {"127.0.0.1"}, false, false, true},
                                       {"eth0", {"10.0.0.7", "fe80::1"}, true, false, false},
                                       {"docker0", {"172.17.0.1"}, true, true, false}});
  CHECK(check.state == State::ok);
  CHECK(check.lines.size() == 2);
  CHECK(check.lines[1].find("tried last") != std::string::npos);
  CHECK(check.facts["interfaces"].size() == 3);

  CHECK(multicast_check({}, "discovery is off").state == State::note);
  CHECK(multicast_check({}, "").state == State::note);
  CHECK(multicast_check({{"eth0", "IPv4", true, ""}}, "").state == State::ok);
  const auto deaf = multicast_check({{"eth0", "IPv4", true, ""}, {"eth0", "IPv6", false, ""}}, "");
  CHECK(deaf.state == State::problem);
  CHECK(deaf.lines.size() == 1);
}

TEST_CASE("the file system of a path is that of its innermost mount") {
  const std::string mounts =
      "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "23 22 8:2 / /home rw,noatime shared:1 - btrfs /dev/sda2 rw\n"
      "24 23 8:3 / /home/me/usb\\040stick rw - vfat /dev/sdb1 rw\n"
      "25 22 0:5 / /home2 rw - tmpfs tmpfs rw\n"
      "broken line\n";
  CHECK(file_system_at(mounts, "/etc") == "ext4");
  CHECK(file_system_at(mounts, "/home/me") == "btrfs");
  CHECK(file_system_at(mounts, "/home/me/usb stick/a") == "vfat");
  CHECK(file_system_at(mounts, "/home2") == "tmpfs");
  CHECK(file_system_at("", "/etc") == "");
}

TEST_CASE("the folder where files land, and how fast its disk is") {
  const TemporaryFolder folder;
  auto facts = look_at_folder(folder.path);
  CHECK(facts.there);
  CHECK(facts.usable);
  CHECK(facts.free_bytes > 0);
  CHECK(folder_check(facts).state != State::problem);
  facts = look_at_folder(folder.path + "/not/yet");
  CHECK(!facts.there);
  CHECK(facts.usable);
  CHECK(folder_check(facts).text.find("is made when needed") != std::string::npos);
  CHECK(!look_at_folder("/").usable);
  const auto check = folder_check(look_at_folder("/dev/null/x"));
  CHECK(check.state == State::problem);
  CHECK(check.text.find("is no folder") != std::string::npos);
  facts = {};
  facts.there = facts.usable = true;
  facts.total_bytes = 1'000'000'000;
  facts.free_bytes = 1'000'000;
  CHECK(folder_check(facts).state == State::note);

  const auto began = std::chrono::steady_clock::now();
  const auto speed = write_speed(folder.path);
  REQUIRE(speed);
  CHECK(speed->bytes >= 1 << 20);
  CHECK(speed->bytes <= 64 << 20);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
  CHECK(fs::is_empty(folder.path));
  CHECK(disk_check(speed).facts["write_bytes_per_second"] > 0);
  const peer::Result<WriteSpeed> full(std::make_error_code(std::errc::no_space_on_device));
  CHECK(disk_check(full).state == State::note);
  CHECK(!write_speed(folder.path + "/no"));
  CHECK(disk_check(write_speed(folder.path + "/no")).state == State::problem);
}

TEST_CASE("cipher, versions, limits, settings") {
  const auto rate = cipher_rate();
  CHECK(rate > 0);
  CHECK(cipher_check(2'000'000'000).state == State::ok);
  CHECK(cipher_check(20'000'000).state == State::note);
  CHECK(cipher_check(0).state == State::problem);
  const auto versions = versions_check("1.2.3");
  CHECK(versions.text.starts_with("peer 1.2.3, OpenSSL 3."));
  CHECK(versions.facts.contains("kernel"));
  CHECK(limits_check(1024, 4096).state == State::ok);
  CHECK(limits_check(RLIM_INFINITY, RLIM_INFINITY).state == State::ok);
  CHECK(limits_check(256, 4096).state == State::note);
  CHECK(limits_check(64, 512).remedy.find("ulimit -n 512") != std::string::npos);
  CHECK(settings_check({}, "/home/me", false).state == State::ok);
  CHECK(settings_check({}, nullptr, false).state == State::note);
  CHECK(settings_check({"‘colour’ means nothing"}, "/home/me", false).lines.size() == 1);
}

TEST_CASE("a command that fails, hangs or is not there says nothing") {
  CHECK(output_of({"/bin/echo", "hello"}) == "hello\n");
  CHECK(!output_of({"/bin/false"}));
  CHECK(!output_of({"/no/such/program"}));
  const auto began = std::chrono::steady_clock::now();
  CHECK(!output_of({"/bin/sleep", "60"}));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}
