#include "gateway/core/json_body.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Kind = JsonBody::Field::Kind;

JsonBody::Pointer To(const std::string& pointer, uint32_t number = 0) {
  return {.number = number, .steps = PointerSteps(pointer)};
}

// What a pointer leads to, for people: "text:VALUE", or the kind's name.
std::string At(JsonBody* body, const std::string& text, const std::string& pointer) {
  if (!body->Read({text})) return "no JSON";
  const JsonBody::Field field = body->Find(To(pointer));
  switch (field.kind) {
    case Kind::kAbsent:
      return "absent";
    case Kind::kText:
      return absl::StrCat("text:", field.text);
    case Kind::kOther:
      return "other";
    case Kind::kTwice:
      return "twice";
  }
  return "";
}

struct Case {
  const char* body;
  const char* pointer;
  const char* expected;
};

TEST(JsonBodyTest, FindsWhatAPointerLeadsTo) {
  const Case kCases[] = {
      {R"({"model":"small"})", "/model", "text:small"},
      {R"({"a":{"b":[{"c":7}]}})", "/a/b/0/c", "text:7"},
      {R"([-1,18446744073709551615])", "/0", "text:-1"},
      {R"([-1,18446744073709551615])", "/1", "text:18446744073709551615"},
      {R"({"a":true,"b":false,"c":null})", "/a", "text:true"},
      {R"({"a":true,"b":false,"c":null})", "/b", "text:false"},
      {R"({"a":true,"b":false,"c":null})", "/c", "text:null"},
      {R"({"a":""})", "/a", "text:"},
      {R"({"a":1.5})", "/a", "other"},
      {R"({"a":1e3})", "/a", "other"},
      {R"({"a":{}})", "/a", "other"},
      {R"({"a":[]})", "/a", "other"},
      {R"({"a":1})", "/b", "absent"},
      {R"({"a":1})", "/a/b", "absent"},
      {R"({"a":[1]})", "/a/1", "absent"},
      {R"({"a":[1]})", "/a/00", "absent"},
      {R"({"a":[1]})", "/a/-", "absent"},
      {R"({"a":[1]})", "/a/99999999999999999999", "absent"},
      {R"("text")", "/a", "absent"},
      {R"({"":{"":3}})", "//", "text:3"},
      {R"({"a/b":1,"a~b":2,"a~1b":3})", "/a~1b", "text:1"},
      {R"({"a/b":1,"a~b":2,"a~1b":3})", "/a~0b", "text:2"},
      {R"({"a/b":1,"a~b":2,"a~1b":3})", "/a~01b", "text:3"},
  };
  JsonBody body;
  for (const Case& c : kCases) EXPECT_EQ(At(&body, c.body, c.pointer), c.expected) << c.body;
}

TEST(JsonBodyTest, NamesAreComparedWithoutTheirEscapes) {
  JsonBody body;
  EXPECT_EQ(At(&body, R"({"mod\u0065l":"x\u00e4"})", "/model"), "text:x\u00e4");
  EXPECT_EQ(At(&body, R"({"Model":1})", "/model"), "absent");
}

TEST(JsonBodyTest, ANameThatComesTwiceHasNoValue) {
  JsonBody body;
  EXPECT_EQ(At(&body, R"({"model":"a","model":"b"})", "/model"), "twice");
  EXPECT_EQ(At(&body, R"({"model":"a","mod\u0065l":"a"})", "/model"), "twice");
  EXPECT_EQ(At(&body, R"({"a":{"x":1},"a":{"x":1}})", "/a/x"), "twice") << "also on the way";
  EXPECT_EQ(At(&body, R"({"b":1,"b":2,"a":3})", "/a"), "text:3") << "others may";
}

TEST(JsonBodyTest, OnlyJsonIsRead) {
  JsonBody body;
  for (const char* text :
       {"", " ", "{", R"({"a":1)", R"({"a":1}x)", R"({a:1})", R"({'a':1})", R"({"a":01})",
        R"({"a":NaN})", R"({"a":1,})", "\xEF\xBB\xBF{}", "{\"a\":\"\xff\"}", "{\"a\":\"\n\"}"}) {
    EXPECT_EQ(At(&body, text, "/a"), "no JSON") << text;
  }
  EXPECT_EQ(At(&body, R"({"a":1})", "/a"), "text:1") << "what failed before has no effect";
}

TEST(JsonBodyTest, DepthIsBounded) {
  const auto nested = [](size_t depth) {
    return absl::StrCat(std::string(depth, '['), std::string(depth, ']'));
  };
  JsonBody body;
  EXPECT_EQ(At(&body, nested(1000), "/0"), "other");
  EXPECT_EQ(At(&body, nested(100'000), "/0"), "no JSON");
}

TEST(JsonBodyTest, ABodyMayLieInPieces) {
  JsonBody body;
  ASSERT_TRUE(body.Read({R"({"mo)", "", R"(del":"sm)", R"(all"})"}));
  EXPECT_EQ(body.Find(To("/model")).text, "small");
}

TEST(JsonBodyTest, EachPointerKeepsWhatItFound) {
  JsonBody body;
  ASSERT_TRUE(body.Read({R"({"a":11,"b":22})"}));
  const JsonBody::Field a = body.Find(To("/a", 1));
  const JsonBody::Field b = body.Find(To("/b", 2));
  EXPECT_EQ(a.text, "11");
  EXPECT_EQ(b.text, "22");
  EXPECT_EQ(body.Find(To("/b", 1)).text, "11") << "not looked for again";
  ASSERT_TRUE(body.Read({R"({"a":33})"}));
  EXPECT_EQ(body.Find(To("/a", 1)).text, "33");
  EXPECT_EQ(body.Find(To("/b", 2)).kind, Kind::kAbsent);
}

TEST(JsonBodyTest, MemoryOfALargeBodyGoesAtOnceAndOfOthersWhenNobodyNeedsIt) {
  const auto body_of = [](size_t bytes) {
    return absl::StrCat(R"({"a":")", std::string(bytes, 'x'), R"(","b":1})");
  };
  JsonBody body;
  EXPECT_EQ(body.kept_bytes(), 0u);
  EXPECT_EQ(At(&body, body_of(300'000), "/b"), "text:1");
  EXPECT_GE(body.kept_bytes(), 300'000u);
  body.Forget();
  EXPECT_EQ(body.kept_bytes(), 0u);
  EXPECT_EQ(At(&body, body_of(70'000), "/b"), "text:1");
  EXPECT_EQ(At(&body, body_of(100'000), "/b"), "text:1");
  body.Forget();
  EXPECT_GE(body.kept_bytes(), 100'000u) << "usual ones share it";
  body.Trim();
  EXPECT_GE(body.kept_bytes(), 100'000u) << "it was used a moment ago";
  body.Trim();
  EXPECT_EQ(body.kept_bytes(), 0u);
  EXPECT_EQ(At(&body, R"({"b":2})", "/b"), "text:2");
}

TEST(JsonBodyTest, NumbersAndTextsThatOnlySomeReadAreNoJson) {
  JsonBody body;
  EXPECT_EQ(At(&body, R"({"a":1,"b":18446744073709551616})", "/a"), "no JSON");
  EXPECT_EQ(At(&body, R"({"a":1,"b":1e999})", "/a"), "no JSON");
  EXPECT_EQ(At(&body, R"({"a":1,"b":"\ud800"})", "/a"), "no JSON");
  EXPECT_EQ(At(&body, R"({"a":-0})", "/a"), "text:0");
}

TEST(JsonBodyTest, TypesThatAreJson) {
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8",
                           " application/json ;x=y", "application/vnd.api+json", "a/b+JSON"}) {
    EXPECT_TRUE(IsJsonType(type)) << type;
  }
  for (const char* type : {"", "application/jsonp", "text/plain", "application/json-seq", "+json",
                           "application/x-ndjson", "multipart/form-data; x=application/json"}) {
    EXPECT_FALSE(IsJsonType(type)) << type;
  }
}

}  // namespace
}  // namespace pointsman::gateway
