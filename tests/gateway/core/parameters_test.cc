#include "gateway/core/parameters.h"

#include <string>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

// "none": there is no such parameter.
std::string Query(absl::string_view query, absl::string_view name) {
  std::string scratch = "of an earlier one";
  const auto value = FindParameter(query, name, &scratch);
  return value.has_value() ? std::string(*value) : "none";
}

std::string Cookie(absl::string_view field, absl::string_view name) {
  const auto value = FindCookie(field, name);
  return value.has_value() ? std::string(*value) : "none";
}

TEST(ParametersTest, FindsParametersByName) {
  EXPECT_EQ(Query("a=1&b=2&c=3", "a"), "1");
  EXPECT_EQ(Query("a=1&b=2&c=3", "b"), "2");
  EXPECT_EQ(Query("a=1&b=2&c=3", "c"), "3");
  EXPECT_EQ(Query("a=1&b=2", "A"), "none") << "case counts";
  EXPECT_EQ(Query("aa=1&ba=2", "a"), "none");
  EXPECT_EQ(Query("b=a", "a"), "none") << "a value is no name";
  EXPECT_EQ(Query("", "a"), "none");
  EXPECT_EQ(Query(absl::string_view(), "a"), "none");
}

TEST(ParametersTest, EmptyAndMissingValuesAreEmpty) {
  EXPECT_EQ(Query("a", "a"), "");
  EXPECT_EQ(Query("a=", "a"), "");
  EXPECT_EQ(Query("a&b=2", "a"), "");
  EXPECT_EQ(Query("b=2&a", "a"), "");
  EXPECT_EQ(Query("a&b=2", "b"), "2");
  EXPECT_EQ(Query("&&a=1&", "a"), "1");
  EXPECT_EQ(Query("&", "a"), "none");
  EXPECT_EQ(Query("=1", "a"), "none");
  EXPECT_EQ(Query("&&a=1", ""), "none") << "what lies between two & is no parameter";
}

TEST(ParametersTest, AValueGoesToTheNextAmpersand) {
  EXPECT_EQ(Query("a=b=c", "a"), "b=c");
  EXPECT_EQ(Query("a==", "a"), "=");
  EXPECT_EQ(Query("a=b;c=d", "a"), "b;c=d");
  EXPECT_EQ(Query("a=b;c=d", "c"), "none");
  EXPECT_EQ(Query("a=b?c/d", "a"), "b?c/d");
}

TEST(ParametersTest, TheFirstOfANameCounts) {
  EXPECT_EQ(Query("a=1&a=2", "a"), "1");
  EXPECT_EQ(Query("a&a=2", "a"), "");
  EXPECT_EQ(Query("%61=1&a=2", "a"), "1") << "however it is written";
}

TEST(ParametersTest, NamesAndValuesAreDecoded) {
  EXPECT_EQ(Query("user+id=7", "user id"), "7");
  EXPECT_EQ(Query("user%20id=7", "user id"), "7");
  EXPECT_EQ(Query("a%3Db=7", "a=b"), "7");
  EXPECT_EQ(Query("a%26b=7", "a&b"), "7");
  EXPECT_EQ(Query("a=%26%3d%2B", "a"), "&=+");
  EXPECT_EQ(Query("a=x+y%20z", "a"), "x y z");
  EXPECT_EQ(Query("a=%C3%a4", "a"), "\xC3\xA4");
  EXPECT_EQ(Query("a=%00b", "a"), std::string("\0b", 2));
  EXPECT_EQ(Query("a=%2561", "a"), "%61") << "once, not twice";
  EXPECT_EQ(Query("a+b=7", "a+b"), "none");
  EXPECT_EQ(Query("a%2Bb=7", "a+b"), "7");
  EXPECT_EQ(Query("%61b=7", "a"), "none");
  EXPECT_EQ(Query("%61=7", "ab"), "none");
}

TEST(ParametersTest, APercentThatBeginsNoEscapeStays) {
  EXPECT_EQ(Query("a=%", "a"), "%");
  EXPECT_EQ(Query("a=x%4", "a"), "x%4");
  EXPECT_EQ(Query("a=%zz", "a"), "%zz");
  EXPECT_EQ(Query("a=%4g", "a"), "%4g");
  EXPECT_EQ(Query("a=%g4", "a"), "%g4");
  EXPECT_EQ(Query("a=%%41", "a"), "%A");
  EXPECT_EQ(Query("a=%\xC1\xC1", "a"), "%\xC1\xC1");
  EXPECT_EQ(Query("a%=1", "a%"), "1");
  EXPECT_EQ(Query("a%4=1", "a%4"), "1");
  EXPECT_EQ(Query("%6=1&x", "%6"), "1") << "an escape does not reach over its name";
  EXPECT_EQ(Query("a=%4&1=b", "a"), "%4") << "nor over its value";
  // What follows the view is no part of it.
  EXPECT_EQ(Query(absl::string_view("a=%41", 4), "a"), "%4");
  EXPECT_EQ(Query(absl::string_view("a=%41", 3), "a"), "%");
}

TEST(ParametersTest, PlainValuesAreViewsOfTheQuery) {
  const std::string query = "a=plain&b=with+escapes";
  std::string scratch = "untouched";
  EXPECT_EQ(FindParameter(query, "a", &scratch)->data(), query.data() + 2);
  EXPECT_EQ(scratch, "untouched");
  EXPECT_EQ(FindParameter(query, "b", &scratch)->data(), scratch.data());
  EXPECT_EQ(scratch, "with escapes") << "what it held is gone";
}

TEST(ParametersTest, FindsCookiesByName) {
  EXPECT_EQ(Cookie("a=1; b=2; c=3", "a"), "1");
  EXPECT_EQ(Cookie("a=1; b=2; c=3", "b"), "2");
  EXPECT_EQ(Cookie("a=1; b=2; c=3", "c"), "3");
  EXPECT_EQ(Cookie("a=1;b=2", "b"), "2") << "without a space";
  EXPECT_EQ(Cookie("a=1;  \tb=2 ", "b"), "2");
  EXPECT_EQ(Cookie("a=1; b=2", "B"), "none");
  EXPECT_EQ(Cookie("aa=1; ba=2", "a"), "none");
  EXPECT_EQ(Cookie("b=a; c=x a=1", "a"), "none");
  EXPECT_EQ(Cookie("", "a"), "none");
  EXPECT_EQ(Cookie(absl::string_view(), "a"), "none");
  EXPECT_EQ(Cookie(";; ;a=1;", "a"), "1");
}

TEST(ParametersTest, CookiesAreTakenAsTheyWereSent) {
  EXPECT_EQ(Cookie("a=b c; d=e", "a"), "b c");
  EXPECT_EQ(Cookie("a=\"b c\"", "a"), "\"b c\"");
  EXPECT_EQ(Cookie("a=b=c==", "a"), "b=c==");
  EXPECT_EQ(Cookie("a=%41+b", "a"), "%41+b");
  EXPECT_EQ(Cookie("%61=1", "a"), "none");
  EXPECT_EQ(Cookie("a=b,c", "a"), "b,c");
  EXPECT_EQ(Cookie("a=", "a"), "");
  EXPECT_EQ(Cookie("a= ; b=1", "a"), "");
  EXPECT_EQ(Cookie("a =1", "a"), "none") << "the name is byte by byte";
}

TEST(ParametersTest, ACookieHasAnEqualsSign) {
  EXPECT_EQ(Cookie("a", "a"), "none");
  EXPECT_EQ(Cookie("a; a=1", "a"), "1");
  EXPECT_EQ(Cookie("a; b=1", "a"), "none");
}

TEST(ParametersTest, TheFirstCookieOfANameCounts) {
  EXPECT_EQ(Cookie("a=1; a=2", "a"), "1");
  EXPECT_EQ(Cookie("b=0; a=; a=2", "a"), "");
}

}  // namespace
}  // namespace pointsman::gateway
