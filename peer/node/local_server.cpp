#include "node/local_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/experimental/as_tuple.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <filesystem>
#include <new>
#include <utility>

#include "node/bytes_json.hpp"
#include "node/failure.hpp"
#include "node/requests.hpp"
#include "node/tasks.hpp"
#include "protocol/frame.hpp"

namespace peer::node {

using Json = nlohmann::json;
using Socket = asio::local::stream_protocol::socket;

namespace {
constexpr std::chrono::seconds kLastWords{1};  ///< for a client that has stopped reading
constexpr std::size_t kClientBacklogBytes =
    1u << 20;  ///< waiting for a client before a long list pauses
}  // namespace

/// One connection of a command.
class LocalClient : public std::enable_shared_from_this<LocalClient> {
 public:
  LocalClient(Node& node, Socket socket)
      : node_(node),
        socket_(std::move(socket)),
        writable_(node.services.io.get_executor()),
        answered_(node.services.io.get_executor()),
        requests_(node.services.io.get_executor(), log_task_error) {}

  asio::awaitable<void> run() {
    const auto self = shared_from_this();
    async::TaskGroup writing(node_.services.io.get_executor(), log_task_error);
    writing.spawn("local write", write_loop());
    std::exception_ptr failure;
    try {
      co_await read_loop();
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) log_task_error("local read", failure);
    gone_ = true;
    for (auto& [number, request] : open_) request->stopped_ = true;
    answered_.notify_all();
    node_.services.changed.notify_all();
    requests_.cancel();
    co_await requests_.join();
    const auto give_up = std::chrono::steady_clock::now() + kLastWords;
    while (!outbox_.empty() && !broken_ && std::chrono::steady_clock::now() < give_up)
      co_await drained();
    writing.cancel();
    co_await writing.join();
    std::error_code ignored;
    socket_.close(ignored);
  }

  /// What it asks from now on is not answered: it asks the next node again.
  void close() {
    closing_ = true;
    std::error_code ignored;
    socket_.shutdown(Socket::shutdown_receive, ignored);  // what it is still to be told goes out
  }

  void send(const Json& json) {
    if (broken_) return;
    outbox_.push_back(
        protocol::with_length(json.dump(-1, ' ', false, Json::error_handler_t::replace)));
    backlog_ += outbox_.back().size();
    writable_.notify_all();
  }

  /// Until the client has read most of what it was sent.
  asio::awaitable<void> room() {
    while (backlog_ > kClientBacklogBytes && !broken_ && !gone_) co_await drained();
  }

  async::Event& answered() { return answered_; }
  bool gone() const { return gone_; }

 private:
  asio::awaitable<void> drained() {
    writable_.notify_all();
    co_await answered_.wait_for(std::chrono::milliseconds(5));
  }

  asio::awaitable<void> read_loop() {
    protocol::FrameReader frames;
    std::vector<std::byte> buffer(16 * 1024);
    for (;;) {
      auto [error, size] = co_await socket_.async_read_some(
          asio::buffer(buffer), asio::experimental::as_tuple(asio::use_awaitable));
      if (error) co_return;
      std::span<const std::byte> bytes(buffer.data(), size);
      while (!bytes.empty()) {
        auto taken = frames.feed(bytes);
        if (!taken) co_return;
        bytes = bytes.subspan(*taken);
        if (const auto body = frames.next()) {
          auto json = Json::parse(*body, nullptr, false);
          if (!json.is_object()) co_return;
          handle(std::move(json));
        }
      }
    }
  }

  asio::awaitable<void> write_loop() {
    for (;;) {
      while (outbox_.empty()) co_await writable_.wait();
      const auto out = std::move(outbox_.front());
      auto [error, size] = co_await asio::async_write(
          socket_, asio::buffer(out), asio::experimental::as_tuple(asio::use_awaitable));
      backlog_ -= out.size();
      outbox_.pop_front();
      if (error) {
        broken_ = true;
        outbox_.clear();
        backlog_ = 0;
        co_return;
      }
    }
  }

  void handle(Json json) {
    const auto number = number_of(json, "request");
    const auto it = open_.find(number);
    if (it != open_.end()) {
      if (flag_of(json, "stop")) it->second->stopped_ = true;
      if (json.contains("answer"))
        it->second->answers_[number_of(json, "answer")] = json.value("value", Json());
      answered_.notify_all();
      node_.services.changed.notify_all();
      return;
    }
    if (!json.contains("do") || closing_) return;
    auto request = std::make_shared<Request>(*this, number, std::move(json));
    open_[number] = request;
    requests_.spawn("request", serve(std::move(request)));
  }

  asio::awaitable<void> serve(std::shared_ptr<Request> request) {
    Json last;
    try {
      Json result = co_await run_request(node_, *request);
      last["result"] = std::move(result);
    } catch (const Failure& failure) {
      last["failed"] = json_text(failure.text());
      last["exit"] = static_cast<int>(failure.exit());
    } catch (const std::bad_alloc&) {
      last["failed"] = "there is no memory left here for it: end something, and try it again";
      last["exit"] = static_cast<int>(base::Exit::failed);
    } catch (const std::exception& error) {
      if (gone_) throw;
      base::log(base::Level::error, "local", error.what());
      last["failed"] = json_text(error.what());
      last["exit"] = static_cast<int>(base::Exit::failed);
    }
    last["request"] = request->number_;
    open_.erase(request->number_);
    send(last);
  }

  friend class Request;
  Node& node_;
  Socket socket_;
  std::deque<std::string> outbox_;
  std::size_t backlog_ = 0;  ///< bytes in it
  std::map<std::uint64_t, std::shared_ptr<Request>> open_;
  async::Event writable_;
  async::Event answered_;
  bool gone_ = false;
  bool closing_ = false;
  bool broken_ = false;
  async::TaskGroup requests_;
};

// ---- requests

Request::Request(LocalClient& client, std::uint64_t number, Json arguments)
    : client_(client), number_(number), arguments_(std::move(arguments)) {}

void Request::event(std::string_view name, Json fields) {
  fields["request"] = number_;
  fields["event"] = name;
  client_.send(fields);
}

asio::awaitable<void> Request::room() { return client_.room(); }

asio::awaitable<Json> Request::ask(std::string_view kind, Json fields) {
  const auto question = ++questions_;
  fields["request"] = number_;
  fields["question"] = question;
  fields["kind"] = kind;
  client_.send(fields);
  while (!answers_.contains(question)) {
    if (stopped_ || client_.gone())
      throw Failure(base::Exit::interrupted, "stopped before the question was answered");
    co_await client_.answered().wait();
  }
  co_return answers_[question];
}

// ---- the server

LocalServer::LocalServer(Node& node)
    : node_(node),
      acceptor_(node.services.io),
      tasks_(node.services.io.get_executor(), log_task_error) {}

LocalServer::~LocalServer() = default;

Result<void> LocalServer::open() {
  // A socket's address holds 107 bytes; a folder's descriptor makes any path short enough.
  const std::filesystem::path path(node_.services.home.socket);
  const int folder = ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return Error(std::error_code(errno, std::generic_category()),
                 "open " + path.parent_path().string());
  const auto name = "/proc/self/fd/" + std::to_string(folder) + "/" + path.filename().string();
  ::unlink(name.c_str());
  std::error_code error;
  acceptor_.open(asio::local::stream_protocol(), error);
  const auto before = ::umask(0177);
  if (!error) acceptor_.bind(asio::local::stream_protocol::endpoint(name), error);
  ::umask(before);
  ::close(folder);
  if (!error) acceptor_.listen(64, error);
  if (error) return Error(error, "listen for commands at " + path.string());
  return {};
}

asio::awaitable<void> LocalServer::run() {
  for (;;) {
    Socket socket(node_.services.io);
    auto [error] =
        co_await acceptor_.async_accept(socket, asio::experimental::as_tuple(asio::use_awaitable));
    if (error == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
    if (error) {
      co_await node_.services.changed.wait_for(std::chrono::milliseconds(100));
      continue;
    }
    ucred who{};
    socklen_t size = sizeof who;
    const bool ours =
        ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
        who.uid == ::geteuid();
    if (!ours || clients_.size() >= kMaxLocalClients) continue;
    had_client_ = true;
    auto client = std::make_shared<LocalClient>(node_, std::move(socket));
    clients_.push_back(client);
    tasks_.spawn("client", serve(client));
  }
}

asio::awaitable<void> LocalServer::serve(std::shared_ptr<LocalClient> client) {
  co_await client->run();
  clients_.remove(client);
  node_.services.changed.notify_all();
}

void LocalServer::stop_accepting() {
  std::error_code ignored;
  acceptor_.close(ignored);
}

asio::awaitable<void> LocalServer::close() {
  std::error_code ignored;
  stop_accepting();
  for (const auto& client : clients_) client->close();
  while (!clients_.empty()) co_await node_.services.changed.wait_for(std::chrono::milliseconds(20));
  tasks_.cancel();
  co_await tasks_.join();
  std::filesystem::remove(node_.services.home.socket, ignored);
}

}  // namespace peer::node
