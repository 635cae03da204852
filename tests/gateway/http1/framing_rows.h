#pragma once

// Each row of the framing table (S1 to S14, docs/design/http1.md) as requests that must be refused,
// with their stable reason, and the requests next to them that must not. Pure.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

struct Refused {
  std::string what;
  std::string input;
  Reason reason;
};

// A request with these lines behind "Host: a".
inline std::string With(absl::string_view lines, absl::string_view body = "") {
  return absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n", lines, "\r\n", body);
}
inline std::string Chunked(absl::string_view body) {
  return With("Transfer-Encoding: chunked\r\n", body);
}
inline std::string Line(absl::string_view line) {
  return absl::StrCat(line, "\r\nHost: a\r\n\r\n");
}
inline std::string Host(absl::string_view host) {
  return absl::StrCat("GET / HTTP/1.1\r\nHost: ", host, "\r\n\r\n");
}

inline constexpr Reason kLength = Reason::kBadContentLength;
inline constexpr Reason kCoding = Reason::kBadTransferEncoding;
inline constexpr Reason kChunk = Reason::kBadChunk;
inline constexpr Reason kHeader = Reason::kBadHeader;
inline constexpr Reason kLine = Reason::kBadRequestLine;
inline constexpr Reason kHost = Reason::kBadHost;

inline std::vector<Refused> RefusedHeaders() {
  return {
      {"S1 CL then TE", With("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), kCoding},
      {"S1 TE then CL", With("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"), kCoding},
      {"S3 length hidden by VT", With("Content-Length\x0b: 4\r\n"), kHeader},
      {"S3 length hidden by NBSP", With(absl::StrCat("\xa0", "Content-Length: 4\r\n")), kHeader},
      {"S3 length hidden by CR", With("\rContent-Length: 4\r\n"), kHeader},
      {"S3 length folded away", With("A: b\r\n Content-Length: 4\r\n"), kHeader},
      {"S4 1.0 with TE", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", kCoding},
      {"S5 two equal lengths", With("Content-Length: 5\r\nContent-Length: 5\r\n"), kLength},
      {"S5 two lengths", With("Content-Length: 1\r\nContent-Length: 0\r\n"), kLength},
      {"S8 header syntax", Chunked("0\r\nBad Name: x\r\n\r\n"), Reason::kBadTrailer},
      {"S8 folded", Chunked("0\r\nA: x\r\n y\r\n\r\n"), Reason::kBadTrailer},
      {"S8 bare LF", Chunked("0\r\nA: x\n\r\n"), Reason::kBadTrailer},
      {"S8 CR instead of the end", Chunked("0\r\n\r\r\n"), Reason::kBadTrailer},
      {"S8 NUL", Chunked(std::string("0\r\nA: \0\r\n\r\n", 11)), Reason::kBadTrailer},
      {"S9 space before colon", With("A : x\r\n"), kHeader},
      {"S9 tab before colon", With("A\t: x\r\n"), kHeader},
      {"S9 no colon", With("abc\r\n"), kHeader},
      {"S9 empty name", With(": x\r\n"), kHeader},
      {"S9 leading space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", kHeader},
      {"S9 folded", With("A: x\r\n y\r\n"), kHeader},
      {"S9 folded by tab", With("A: x\r\n\ty\r\n"), kHeader},
      {"S9 name over lines", With("Na\r\nme: x\r\n"), kHeader},
      {"S9 8-bit name", With("A\xc3\xa9: x\r\n"), kHeader},
      {"S10 NUL", With(std::string("A: x\0y\r\n", 8)), kHeader},
      {"S10 NUL in a name", With(std::string("A\0: x\r\n", 7)), kHeader},
      {"S10 8-bit before a length", With(absl::StrCat("Content-Length: \xa0", "4\r\n")), kLength},
      {"S10 8-bit behind a length", With("Content-Length: 4\x85\r\n"), kLength},
      {"S10 8-bit before a coding", With(absl::StrCat("Transfer-Encoding: \x85", "chunked\r\n")),
       kCoding},
      {"S10 8-bit before a host", Host(absl::StrCat("\xa0", "a")), kHost},
      {"S10 bare CR", With("A: x\ry\r\n"), kHeader},
      {"S10 bare LF", With("A: x\ny\r\n"), kHeader},
      {"S10 CR at end", With("A: x\r\r\n"), kHeader},
      {"S10 DEL", With("A: x\x7f\r\n"), kHeader},
      {"S10 control far inside", With("A: 0123456789abcdef0123456789abcde\x01\r\n"), kHeader},
  };
}

// More options than any honest sender has: each would be held against every field.
inline std::string ManyOptions() {
  std::string value = "Connection: a";
  for (int i = 0; i < 40; ++i) absl::StrAppend(&value, ",a");
  return With(value + "\r\n");
}

inline std::vector<Refused> RefusedLines() {
  return {
      {"S11 0.9", "GET /\r\n\r\n", kLine},
      {"S11 version", Line("GET / HTTP/1.32"), kLine},
      {"S11 version case", Line("GET / http/1.1"), kLine},
      {"S11 version 2", Line("GET / HTTP/2.0"), Reason::kBadVersion},
      {"S11 no version", Line("GET / "), kLine},
      {"S11 two spaces first", Line("GET  / HTTP/1.1"), Reason::kBadTarget},
      {"S11 two spaces last", Line("GET /  HTTP/1.1"), Reason::kBadTarget},
      {"S11 leading space", Line(" GET / HTTP/1.1"), kLine},
      {"S11 trailing space", Line("GET / HTTP/1.1 "), kLine},
      {"S11 tab", Line("GET\t/\tHTTP/1.1"), kLine},
      {"S11 tab in target", Line("GET /a\tb HTTP/1.1"), Reason::kBadTarget},
      {"S11 method", Line("G@T / HTTP/1.1"), kLine},
      {"S11 bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", kLine},
      {"S11 8-bit target", Line("GET /\xff HTTP/1.1"), Reason::kBadTarget},
      {"S11 fragment", Line("GET /a#b HTTP/1.1"), Reason::kBadTarget},
      {"S11 asterisk", Line("GET * HTTP/1.1"), Reason::kBadTarget},
      {"S11 NUL", Line(std::string("GET /\0 HTTP/1.1", 15)), Reason::kBadTarget},
      {"S11 bare CR", Line("GET / HTTP/1.1\rX: y"), kLine},
      {"S11 no slash", Line("GET a HTTP/1.1"), Reason::kBadTarget},
      {"S11 absolute host differs", Line("GET http://b/ HTTP/1.1"), kHost},
      {"S11 user", Line("GET http://x@a/ HTTP/1.1"), Reason::kBadTarget},
      {"S11 empty host", Line("GET http:/// HTTP/1.1"), Reason::kBadTarget},
      {"S11 scheme", Line("GET ftp://a/ HTTP/1.1"), Reason::kBadTarget},
      {"S11 query after host", Line("GET http://a?b HTTP/1.1"), Reason::kBadTarget},
      {"S11 two empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", kLine},
      {"S12 no host", "GET / HTTP/1.1\r\n\r\n", kHost},
      {"S12 two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", kHost},
      {"S12 two, HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", kHost},
      {"S12 NUL", Host(std::string("a\0b", 3)), kHeader},
      {"S13 connect", Line("CONNECT a:443 HTTP/1.1"), Reason::kConnectRefused},
      {"S14 other", With("Expect: y 100-continue\r\n"), Reason::kBadExpect},
      {"S14 list", With("Expect: 100-continue, x\r\n"), Reason::kBadExpect},
      {"S14 twice", With("Expect: 100-continue\r\nExpect: 100-continue\r\n"), Reason::kBadExpect},
  };
}

inline std::vector<Refused> RefusedRequests() {
  std::vector<Refused> rows = RefusedHeaders();
  rows.push_back({"P4 many connection options", ManyOptions(), kHeader});
  for (Refused& row : RefusedLines()) rows.push_back(std::move(row));
  for (std::string value : {"xchunked", "chunked, identity", ",chunked", "chunked, chunked",
                            "chunked\xa0", "identity", "gzip, chunked", "\"chunked\"", ""}) {
    rows.push_back({absl::StrCat("S2 ", value),
                    With(absl::StrCat("Transfer-Encoding: ", value, "\r\n")), kCoding});
  }
  rows.push_back({"S2 VT",
                  With("Transfer-Encoding: \x0b"
                       "chunked\r\n"),
                  kHeader});
  rows.push_back(
      {"S2 twice", With("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), kCoding});
  for (std::string value : {"5, 5", "", "+5", "0x10", "010", "1_0", "-1", "00", "5 5", "5.0",
                            "18446744073709551616", "9223372036854775808", "9999999999999999999"}) {
    rows.push_back({absl::StrCat("S5 ", value),
                    With(absl::StrCat("Content-Length: ", value, "\r\n")), kLength});
  }
  for (std::string size : {"0x2", "+2", "-2", " 2", "2 ", "", "00000000000000002", "2these", "g",
                           "FFFFFFFFFFFFFFFF", "2\t"}) {
    rows.push_back({absl::StrCat("S6 size \"", size, "\""),
                    Chunked(absl::StrCat(size, "\r\nab\r\n0\r\n\r\n")), kChunk});
  }
  for (std::string body : {"2\nab\r\n0\r\n\r\n", "2\r\r;\nab\r\n", "2\rXab\r\n",
                           "2\r\nabc\r\n0\r\n\r\n", "2\r\nab\n0\r\n\r\n", "2\r\nab\rX0\r\n\r\n",
                           "2\r\nab\r\n\r\n0\r\n\r\n", "2;a\nb\r\nab\r\n", "2;a\rb\r\nab\r\n"}) {
    rows.push_back(
        {absl::StrCat("S7 ", absl::StrReplaceAll(body, {{"\r", "<CR>"}, {"\n", "<LF>"}})),
         Chunked(body), kChunk});
  }
  rows.push_back(
      {"S7 long extension", Chunked(absl::StrCat("2;", std::string(1 << 20, 'x'))), kChunk});
  std::string many_small = Chunked("");
  for (int i = 0; i < 3000; ++i) many_small += "1;xx\r\na\r\n";
  rows.push_back({"S7 many extensions", many_small, kChunk});
  for (std::string value : {"a:b:c", "a/b", "a b", "a:", ":80", "a:123456", "a:8x", "[::1", "[]",
                            "[::g]", "a,b", "a@b", "", "a%41", "a?b", "[::1]x"}) {
    rows.push_back({absl::StrCat("S12 ", value), Host(value), kHost});
  }
  return rows;
}

inline std::vector<std::string> GoodRequests() {
  return {
      Host("a"),
      "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      Host("under_score.example:65535"),
      Host("[2001:db8::1]:80"),
      "GET http://a/x?y=z HTTP/1.1\r\nHost: A\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      With("A:  x\t \r\nB:\r\nC: \xc3\xa9\r\n"),
      With("Content-Length: 3\r\nExpect: 100-CONTINUE\r\n", "abc"),
      Chunked("2\r\nab\r\n0A;x=\"y\"\r\n0123456789\r\n000\r\nX-T: 1\r\nHost: evil\r\n\r\n"),
      With("Connection: close, X-Mine\r\nX-Mine: 1\r\nX-Other: 2\r\n"),
  };
}

}  // namespace pointsman::gateway
