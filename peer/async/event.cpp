#include "async/event.hpp"

#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/system_error.hpp>
#include <asio/use_awaitable.hpp>

namespace peer::async {

using Clock = std::chrono::steady_clock;

/// One waiting coroutine; lives in its frame and is listed while it waits.
struct Event::Waiter {
  std::shared_ptr<State> state;
  asio::steady_timer timer;
  bool woken = false;
  std::list<Waiter*>::iterator place;

  Waiter(std::shared_ptr<State> s, Clock::time_point limit)
      : state(std::move(s)), timer(state->executor, limit) {
    place = state->waiters.insert(state->waiters.end(), this);
  }
  ~Waiter() { state->waiters.erase(place); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
};

Event::Event(asio::any_io_executor executor) : state_(std::make_shared<State>()) {
  state_->executor = std::move(executor);
}

Event::~Event() {
  for (Waiter* waiter : state_->waiters) waiter->timer.cancel();
}

void Event::notify_all() {
  for (Waiter* waiter : state_->waiters) {
    waiter->woken = true;
    waiter->timer.cancel();
  }
}

asio::awaitable<bool> Event::wait_until(std::shared_ptr<State> state, Clock::time_point limit) {
  Waiter waiter(state, limit);
  asio::error_code error;
  co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (waiter.woken) co_return true;
  if (error) throw asio::system_error(error);
  co_return false;
}

asio::awaitable<void> Event::wait_for_ever(std::shared_ptr<State> state) {
  co_await wait_until(std::move(state), Clock::time_point::max());
}

asio::awaitable<void> Event::wait() { return wait_for_ever(state_); }

asio::awaitable<bool> Event::wait_for(Clock::duration limit) {
  const auto now = Clock::now();
  const auto end = limit >= Clock::time_point::max() - now ? Clock::time_point::max() : now + limit;
  return wait_until(state_, end);
}

}  // namespace peer::async
