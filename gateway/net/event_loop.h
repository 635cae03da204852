#pragma once

// One worker's turn: waits for readiness, lets the objects concerned receive, settles what follows
// from it (events, sends), fires timers, frees what died. epoll is edge-triggered and each
// descriptor is registered once, for both directions. Thread-compatible: runs on its worker's
// thread; only Wake() may be called from others. Objects are owned by others; Bury() takes them
// over when they die.

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "common/clock.h"
#include "common/core/time.h"
#include "gateway/net/fd.h"
#include "gateway/net/timer_wheel.h"

namespace pointsman::gateway {

// An object with a descriptor in the loop.
class IoHandler {
 public:
  virtual ~IoHandler() = default;
  // `events` as epoll reports them. Must not destroy itself: Bury() does, at the turn's end.
  virtual void OnIo(uint32_t events) = 0;
};

// Something freed at the end of a turn, when no event of the turn can name it any more.
class Mortal {
 public:
  virtual ~Mortal() = default;
};

class EventLoop {
 public:
  static constexpr int kEventsPerTurnMax = 64;
  // The longest a turn waits when nothing is due.
  static constexpr int64_t kWaitMicrosMax = 1'000'000;
  // A turn takes less. When more has gone than it and the wait before it may, the process stood
  // still, and what came meanwhile is there all at once.
  static constexpr int64_t kTurnMicrosMax = 50'000;
  // A timer says that something did not come. After a standstill it waits until all that came was
  // seen, in several turns if need be, but no longer than this. (Else a busy loop's would be late.)
  static constexpr absl::Duration kTimersWaitMax = absl::Milliseconds(500);

  // What the owner of the loop does inside a turn.
  class Delegate {
   public:
    virtual ~Delegate() = default;
    // First thing of a turn, after waiting; Now() is new.
    virtual void OnTurnStart() = 0;
    // After each handler: work off what it caused.
    virtual void Settle() = 0;
    // Last thing of a turn before what died is freed.
    virtual void OnTurnEnd() {}
  };

  explicit EventLoop(const common::Clock& clock);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Resource-exhausted when the kernel gives no descriptor.
  absl::Status Open();

  // One turn. Waits at most until the next timer.
  void RunTurn(Delegate& delegate);

  // Ends the current or next wait. Thread-safe.
  void Wake();

  // Registers for both directions, edge-triggered. False when the kernel refuses.
  bool Register(int fd, IoHandler* handler);
  // A registered descriptor has another handler from now on, also for events of this turn.
  bool Reregister(int fd, IoHandler* handler);
  // Registers a listener: input only, level-triggered (accepting stops after a few).
  bool RegisterListener(int fd, IoHandler* handler);
  void Unregister(int fd);

  // `handler` gets OnIo(0) after this turn's events; from there, in the next turn (none is
  // prolonged).
  void Requeue(IoHandler* handler) { requeued_.push_back(handler); }
  void Forget(IoHandler* handler);
  void Bury(std::unique_ptr<Mortal> dead) { dead_.push_back(std::move(dead)); }

  // The turn's time, and the clock itself for latencies.
  common::MonotonicTime Now() const { return now_; }
  common::MonotonicTime ReadClock() const { return clock_.Now(); }
  TimerWheel& timers() { return *timers_; }

 private:
  int WaitMillis() const;
  // Fills `events_`; how many there are.
  int Wait(int millis);
  // After a turn that took `count` events: whether the timers' time has come.
  bool SawAll(int count, bool stood_still);
  void RunRequeued(Delegate& delegate);

  const common::Clock& clock_;
  Fd epoll_;
  Fd wake_;
  common::MonotonicTime now_;
  // Of the turn after a standstill, while there is more than turns took since.
  std::optional<common::MonotonicTime> behind_since_;
  std::unique_ptr<TimerWheel> timers_;
  std::array<epoll_event, kEventsPerTurnMax> events_;
  // Events of this turn not handled yet; Forget() takes handlers out.
  int events_begin_ = 0;
  int events_end_ = 0;
  std::vector<IoHandler*> requeued_;
  std::vector<IoHandler*> requeued_now_;
  std::vector<std::unique_ptr<Mortal>> dead_;
};

}  // namespace pointsman::gateway
