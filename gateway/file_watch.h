#pragma once

// Notices that a file was changed or replaced, by looking at it from time to time: what inotify
// tells of a name that is renamed over, mounted anew or on a network is not reliable. By inode,
// length and time of change; the content is for the caller to read. Thread-compatible.

#include <cstdint>
#include <string>

namespace pointsman::gateway {

class FileWatch {
 public:
  // The file as it is now is known.
  explicit FileWatch(std::string path);

  // True once for each change, as soon as two looks have found the same: a file that is still being
  // written is let be. A file that vanishes has changed. Costs one system call.
  bool Changed();
  // The file as it is now is known. Before it is read.
  void Know();

 private:
  struct Version {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t bytes = -1;  // Of no file.
    int64_t changed_nanos = 0;
    bool operator==(const Version&) const = default;
  };
  Version Look() const;

  const std::string path_;
  Version known_;
  Version seen_;
};

}  // namespace pointsman::gateway
