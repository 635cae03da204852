#include "controller/config_objects.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/evp.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/check.h"
#include "common/core/status_macros.h"

namespace pointsman::controller {
namespace {

constexpr size_t kHashBytes = 16;

template <typename Resource>
std::string WithoutStamp(Resource resource) {
  resource.clear_revision();
  resource.clear_etag();
  return StableBytes(resource);
}

// Name, revision and hash of a resource, in the index.
template <typename Resource>
void Reduce(const Resource& resource, Resource* entry) {
  entry->set_name(resource.name());
  entry->set_revision(resource.revision());
  entry->set_etag(resource.etag());
}

void FinishPage(v1::Config& page, ConfigObjects& result) {
  std::string bytes = StableBytes(page);
  std::string hash = ContentHash(bytes);
  result.pages.push_back(hash);
  result.objects.emplace(std::move(hash), std::move(bytes));
  page.Clear();
}

template <typename Resources, typename Add>
void Split(const Resources& resources, v1::Config& page, ConfigObjects& result, Add add) {
  for (const auto& resource : resources) {
    std::string bytes = ObjectBytes(resource);
    PM_CHECK(ContentHash(bytes) == resource.etag());
    result.objects.emplace(resource.etag(), std::move(bytes));
    Reduce(resource, add(page));
    if (page.services_size() + page.routes_size() + page.overrides_size() >= kPageResources) {
      FinishPage(page, result);
    }
  }
}

template <typename Entries, typename Add>
absl::Status Join(const Entries& entries, const std::map<std::string, std::string>& objects,
                  Add add) {
  for (const auto& entry : entries) {
    const auto found = objects.find(entry.etag());
    auto* resource = add();
    if (found == objects.end() || !resource->ParseFromString(found->second)) {
      return absl::DataLossError(absl::StrCat("configuration: object ", entry.etag(), " of ",
                                              entry.name(), " is absent or cannot be read"));
    }
    resource->set_revision(entry.revision());
    resource->set_etag(entry.etag());
  }
  return absl::OkStatus();
}

}  // namespace

std::string RevisionKey(uint64_t revision) {
  return absl::StrFormat("%s%020d", kConfigRevisionPrefix, revision);
}

std::string ContentHash(absl::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  PM_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), kHashBytes));
}

std::string StableBytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::string ObjectBytes(const v1::Service& service) { return WithoutStamp(service); }
std::string ObjectBytes(const v1::Route& route) { return WithoutStamp(route); }
std::string ObjectBytes(const v1::Override& override) { return WithoutStamp(override); }

ConfigObjects SplitConfig(const v1::Config& config) {
  ConfigObjects result;
  v1::Config page;
  Split(config.services(), page, result, [](v1::Config& p) { return p.add_services(); });
  Split(config.routes(), page, result, [](v1::Config& p) { return p.add_routes(); });
  Split(config.overrides(), page, result, [](v1::Config& p) { return p.add_overrides(); });
  if (page.ByteSizeLong() > 0) FinishPage(page, result);
  return result;
}

std::vector<std::string> PageHashes(const v1::Config& page) {
  std::vector<std::string> hashes;
  for (const v1::Service& entry : page.services()) hashes.push_back(entry.etag());
  for (const v1::Route& entry : page.routes()) hashes.push_back(entry.etag());
  for (const v1::Override& entry : page.overrides()) hashes.push_back(entry.etag());
  return hashes;
}

absl::StatusOr<v1::Config> JoinConfig(const std::vector<v1::Config>& pages,
                                      const std::map<std::string, std::string>& objects) {
  v1::Config config;
  for (const v1::Config& page : pages) {
    PM_RETURN_IF_ERROR(Join(page.services(), objects, [&] { return config.add_services(); }));
    PM_RETURN_IF_ERROR(Join(page.routes(), objects, [&] { return config.add_routes(); }));
    PM_RETURN_IF_ERROR(Join(page.overrides(), objects, [&] { return config.add_overrides(); }));
  }
  return config;
}

}  // namespace pointsman::controller
