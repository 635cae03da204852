#include "gateway/http2/field_collector.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

class FieldCollectorTest : public ::testing::Test {
 protected:
  static Fields Get(Fields more = {}) {
    Fields fields = {
        {":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/x"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  }
  // The same with one pseudo-field changed.
  static Fields With(const std::string& name, const std::string& value) {
    Fields fields = Get();
    for (auto& field : fields) {
      if (field.first == name) field.second = value;
    }
    return fields;
  }
  Reason Request(const Fields& fields, bool end = true) {
    collector_.StartRequest(&request_);
    for (const auto& [name, value] : fields) collector_.Add(name, value);
    return collector_.FinishRequest(end);
  }
  Reason Response(const Fields& fields, Method method = Method::kGet, bool end = false,
                  Upgrade asked = Upgrade::kNone) {
    collector_.StartResponse(&response_);
    for (const auto& [name, value] : fields) collector_.Add(name, value);
    return collector_.FinishResponse(method, asked, end);
  }
  std::string Forwarded() const { return Forwarded(request_.block); }
  static std::string Forwarded(const HeaderBlock& block) {
    std::string out;
    for (const Field& field : block.fields()) {
      if (!field.dropped)
        absl::StrAppend(&out, block.At(field.name), "=", block.At(field.value), ";");
    }
    return out;
  }

  HeadLimits limits_;
  FieldCollector collector_{limits_};
  RequestHead request_;
  ResponseHead response_;
};

TEST_F(FieldCollectorTest, ARequestInTheMessageModel) {
  EXPECT_EQ(Request(Get({{"accept", "*/*"}, {"te", "trailers"}})), Reason::kNone);
  EXPECT_EQ(request_.method, Method::kGet);
  EXPECT_EQ(request_.block.At(request_.target), "/x");
  EXPECT_EQ(request_.block.At(request_.authority), "a.test");
  EXPECT_EQ(request_.body, BodyKind::kNone);
  EXPECT_EQ(Forwarded(), "accept=*/*;");
}

TEST_F(FieldCollectorTest, BodiesAreFramedByLengthOrByTheirEnd) {
  EXPECT_EQ(Request(Get(), /*end=*/false), Reason::kNone);
  EXPECT_EQ(request_.body, BodyKind::kChunked);
  EXPECT_EQ(Request(Get({{"content-length", "12"}}), /*end=*/false), Reason::kNone);
  EXPECT_EQ(request_.body, BodyKind::kLength);
  EXPECT_EQ(request_.content_length, 12);
  EXPECT_EQ(Request(Get({{"content-length", "+1"}}), false), Reason::kBadContentLength);
  EXPECT_EQ(Request(Get({{"content-length", "1"}, {"content-length", "1"}}), false),
            Reason::kBadContentLength);
}

TEST_F(FieldCollectorTest, PathsThatAreNone) {
  for (const char* path : {"", "x", "/a b", "/a#b", "/a\r", "/\x7f", "/\xc3\xa4", "*"}) {
    EXPECT_EQ(Request(With(":path", path)), Reason::kBadTarget) << path;
  }
  Fields all = With(":path", "*");
  all[0].second = "OPTIONS";
  EXPECT_EQ(Request(all), Reason::kNone);
  EXPECT_EQ(Request(With(":scheme", "ftp")), Reason::kBadTarget);
}

TEST_F(FieldCollectorTest, AuthorityAndHostSayTheSame) {
  EXPECT_EQ(Request(Get({{"host", "A.test"}})), Reason::kNone);
  EXPECT_EQ(Request(Get({{"host", "b.test"}})), Reason::kBadHost);
  EXPECT_EQ(Request(Get({{"host", "a.test"}, {"host", "a.test"}})), Reason::kBadHost);
  EXPECT_EQ(Request(With(":authority", "a@b")), Reason::kBadHost);
  EXPECT_EQ(Request(With(":authority", "")), Reason::kBadHost);
  Fields only_host = Get({{"host", "c.test"}});
  only_host.erase(only_host.begin() + 2);
  EXPECT_EQ(Request(only_host), Reason::kNone);
  EXPECT_EQ(request_.block.At(request_.authority), "c.test");
  EXPECT_EQ(Forwarded(), "") << "written anew from the authority";
}

TEST_F(FieldCollectorTest, CrumbsBecomeOneCookie) {
  EXPECT_EQ(Request(Get({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}})),
            Reason::kNone);
  EXPECT_EQ(Forwarded(), "x=y;cookie=a=1; b=2; c=3;");
}

TEST_F(FieldCollectorTest, ConnectIsRefusedUnlessItAsksForAKnownProtocol) {
  EXPECT_EQ(Request({{":method", "CONNECT"}, {":authority", "a:1"}}), Reason::kConnectRefused);
  EXPECT_EQ(Request(Get({{":protocol", "websocket"}})), Reason::kBadRequestLine);
  Fields connect = With(":method", "CONNECT");
  connect.push_back({":protocol", ""});
  EXPECT_EQ(Request(connect, false), Reason::kUpgradeRefused);
  connect.back().second = "connect-udp";
  EXPECT_EQ(Request(connect, false), Reason::kNone) << "its route decides";
  EXPECT_EQ(Request(connect, true), Reason::kBadRequestLine) << "its client has ended already";
  connect.push_back({"content-length", "0"});
  EXPECT_EQ(Request(connect, false), Reason::kBadContentLength);
}

TEST_F(FieldCollectorTest, AnExtendedConnectBecomesAGet) {
  Fields connect = With(":method", "CONNECT");
  connect.push_back({":protocol", "websocket"});
  connect.push_back({"sec-websocket-version", "13"});
  connect.push_back({"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="});
  EXPECT_EQ(Request(connect, false), Reason::kNone);
  EXPECT_TRUE(request_.extended_connect);
  EXPECT_EQ(request_.block.At(request_.protocols), "websocket");
  EXPECT_EQ(request_.method, Method::kGet);
  EXPECT_EQ(request_.block.At(request_.method_text), "GET");
  EXPECT_EQ(request_.body, BodyKind::kNone);
  EXPECT_EQ(Forwarded(), "sec-websocket-version=13;");
}

TEST_F(FieldCollectorTest, ASuccessAgreesWithTheUpgradeThatWasAskedFor) {
  const Fields ok = {{":status", "204"}, {"sec-websocket-accept", "x"}, {"a", "b"}};
  EXPECT_EQ(Response(ok, Method::kGet, false, Upgrade::kWebSocket), Reason::kNone);
  EXPECT_TRUE(response_.switched);
  EXPECT_EQ(response_.status, 101);
  EXPECT_EQ(Forwarded(response_.block), "a=b;");
  EXPECT_EQ(Response(ok), Reason::kNone);
  EXPECT_FALSE(response_.switched);
  EXPECT_EQ(Response({{":status", "403"}}, Method::kGet, false, Upgrade::kWebSocket),
            Reason::kNone);
  EXPECT_FALSE(response_.switched);
  EXPECT_EQ(Response({{":status", "101"}}, Method::kGet, false, Upgrade::kWebSocket),
            Reason::kUpstreamProtocol);
}

TEST_F(FieldCollectorTest, ExpectIsAnsweredHere) {
  EXPECT_EQ(Request(Get({{"expect", "100-continue"}}), false), Reason::kNone);
  EXPECT_TRUE(request_.expects_continue);
  EXPECT_EQ(Forwarded(), "");
  EXPECT_EQ(Request(Get({{"expect", "y"}})), Reason::kBadExpect);
}

TEST_F(FieldCollectorTest, AnAliasOfAFramingFieldIsNotForwarded) {
  EXPECT_EQ(Request(Get({{"content_length", "9"}, {"transfer_encoding", "chunked"}})),
            Reason::kNone);
  EXPECT_EQ(Forwarded(), "");
}

TEST_F(FieldCollectorTest, SizesCountEachFieldsOverhead) {
  Fields many = Get();
  for (int i = 0; i < 128; ++i) many.push_back({"a", "b"});
  EXPECT_EQ(Request(many), Reason::kNone);
  many.push_back({"a", "b"});
  EXPECT_EQ(Request(many), Reason::kTooManyFields);
  EXPECT_EQ(Request(Get({{"a", std::string(limits_.bytes_max, 'x')}})), Reason::kHeadTooLarge);
  Fields crumbs = Get();
  for (int i = 0; i < 2000; ++i) crumbs.push_back({"cookie", ""});
  EXPECT_EQ(Request(crumbs), Reason::kTooManyFields) << "crumbs count";
}

TEST_F(FieldCollectorTest, AResponseInTheMessageModel) {
  EXPECT_EQ(Response({{":status", "200"}, {"content-length", "3"}}), Reason::kNone);
  EXPECT_EQ(response_.status, 200);
  EXPECT_EQ(response_.body, BodyKind::kLength);
  EXPECT_EQ(Response({{":status", "200"}}), Reason::kNone);
  EXPECT_EQ(response_.body, BodyKind::kChunked);
  EXPECT_EQ(Response({{":status", "404"}}, Method::kGet, true), Reason::kNone);
  EXPECT_EQ(response_.body, BodyKind::kLength);
  EXPECT_EQ(response_.content_length, 0);
  EXPECT_EQ(Response({{":status", "204"}}, Method::kGet, true), Reason::kNone);
  EXPECT_EQ(response_.body, BodyKind::kNone);
  EXPECT_EQ(Response({{":status", "200"}, {"content-length", "7"}}, Method::kHead, true),
            Reason::kNone);
  EXPECT_EQ(response_.body, BodyKind::kNone);
  EXPECT_EQ(response_.content_length, 7);
}

TEST_F(FieldCollectorTest, ResponsesThatAreNone) {
  for (const char* status : {"", "20", "2000", "abc", "099", "101", "-20", "600", "999"}) {
    EXPECT_EQ(Response({{":status", status}}), Reason::kUpstreamProtocol) << status;
  }
  EXPECT_EQ(Response({{":status", "100"}}, Method::kGet, /*end=*/true), Reason::kUpstreamProtocol);
}

TEST_F(FieldCollectorTest, AnEndpointCannotSpeakForTheGateway) {
  EXPECT_EQ(Response({{":status", "503"}, {"x-pointsman-reason", "no_route"}, {"a", "b"}}),
            Reason::kNone);
  EXPECT_EQ(Forwarded(response_.block), "a=b;");
}

TEST_F(FieldCollectorTest, TrailersCarryNoMeaning) {
  EXPECT_EQ(Request(Get()), Reason::kNone);
  collector_.StartTrailers(&request_.block);
  for (const auto& [name, value] : Fields{{"x-sum", "1"}, {"content-length", "3"}, {"host", "b"}}) {
    collector_.Add(name, value);
  }
  EXPECT_EQ(collector_.FinishTrailers(), Reason::kNone);
  EXPECT_EQ(Forwarded(), "x-sum=1;");
  collector_.StartTrailers(&request_.block);
  for (int i = 0; i < 33; ++i) collector_.Add("a", "b");
  EXPECT_EQ(collector_.FinishTrailers(), Reason::kTooManyFields);
}

}  // namespace
}  // namespace pointsman::gateway
