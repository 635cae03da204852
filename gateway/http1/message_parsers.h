#pragma once

// What reads one message: lent to a connection while a message is under way, so that idle
// connections are small. Thread-compatible; a lender and what it lends stay on one thread.

#include <memory>
#include <utility>
#include <vector>

#include "gateway/http/message.h"
#include "gateway/http1/body_parser.h"
#include "gateway/http1/head_parser.h"

namespace pointsman::gateway {

// `Head`: RequestParser or ResponseParser.
template <typename Head>
struct MessageParsers {
  explicit MessageParsers(const HeadLimits& limits) : head(limits), body(limits) {}
  Head head;
  BodyParser body;
};
using RequestParsers = MessageParsers<RequestParser>;
using ResponseParsers = MessageParsers<ResponseParser>;

// A worker's stock. What is not given back is freed with its unique_ptr.
template <typename Parsers>
class ParserLender {
 public:
  // More than this many idle ones are freed.
  static constexpr size_t kKeptMax = 1024;

  explicit ParserLender(const HeadLimits& limits) : limits_(limits) {}

  // In an undefined state: Start() them. Allocates only when none was given back.
  std::unique_ptr<Parsers> Take() {
    if (free_.empty()) return std::make_unique<Parsers>(limits_);
    std::unique_ptr<Parsers> taken = std::move(free_.back());
    free_.pop_back();
    return taken;
  }
  // May be null.
  void Return(std::unique_ptr<Parsers> parsers) {
    if (parsers != nullptr && free_.size() < kKeptMax) free_.push_back(std::move(parsers));
  }

 private:
  const HeadLimits limits_;
  std::vector<std::unique_ptr<Parsers>> free_;
};

}  // namespace pointsman::gateway
