#pragma once

// A test door: a SQLite file system that passes everything on to the default one, but fails every
// write, truncation and sync with SQLITE_IOERR while a given file exists (tests run as root, where
// permissions stop nothing). Registered only when asked for. Thread-safe.

#include <string>

namespace pointsman::controller {

// Registers it and returns its name for sqlite3_open_v2. One per fault file; lives for ever.
std::string RegisterFaultVfs(const std::string& fault_file);

}  // namespace pointsman::controller
