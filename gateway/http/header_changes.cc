#include "gateway/http/header_changes.h"

#include "absl/strings/match.h"

namespace pointsman::gateway {
namespace {

void Remove(absl::string_view name, HeaderBlock* block) {
  for (size_t i = 0; i < block->head_fields(); ++i) {
    Field& field = block->fields()[i];
    if (!absl::EqualsIgnoreCase(block->At(field.name), name)) continue;
    field = Field{.name = {}, .value = {}, .token = FieldToken::kOther, .dropped = true};
  }
}

void Add(absl::string_view name, absl::string_view value, HeaderBlock* block) {
  bool alias = false;
  Field field;
  field.name = block->Keep(name);
  field.value = block->Keep(value);
  field.token = TokenOf(name, &alias);
  block->AddHeadField(field);
}

}  // namespace

void ApplyHeaderChanges(const HeaderChanges& changes, HeaderBlock* block) {
  for (const std::string& name : changes.remove) Remove(name, block);
  for (const auto& [name, value] : changes.set) {
    Remove(name, block);
    Add(name, value, block);
  }
  for (const auto& [name, value] : changes.add) Add(name, value, block);
}

}  // namespace pointsman::gateway
