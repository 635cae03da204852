#pragma once

// Threads with names, which top, /proc and profiles show.

#include <pthread.h>

#include <string>
#include <thread>
#include <utility>

namespace pointsman::common {

// Starts `run` in a thread of this name, at most 15 bytes of it.
template <typename Run>
std::thread NamedThread(const std::string& name, Run run) {
  std::thread thread(std::move(run));
  pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
  return thread;
}

}  // namespace pointsman::common
