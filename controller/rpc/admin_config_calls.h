#pragma once

// The admin API's methods about configuration: services, routes and overrides one by one, the
// whole, its history. Thread-safe.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "controller/rpc/admin_calls.h"
#include "controller/rpc/admin_lists.h"
#include "controller/rpc/admin_resources.h"

namespace pointsman::controller {

class AdminConfigCalls : public AdminCalls {
 public:
  // Services, routes, overrides.
  Reactor* GetService(Context* c, const v1::GetServiceRequest* q, v1::Service* r) override {
    return Get<ServiceKind>(c, "GetService", q, r);
  }
  Reactor* GetRoute(Context* c, const v1::GetRouteRequest* q, v1::Route* r) override {
    return Get<RouteKind>(c, "GetRoute", q, r);
  }
  Reactor* GetOverride(Context* c, const v1::GetOverrideRequest* q, v1::Override* r) override {
    return Get<OverrideKind>(c, "GetOverride", q, r);
  }
  Reactor* ListServices(Context* c, const v1::ListServicesRequest* q,
                        v1::ListServicesResponse* r) override {
    return List<ServiceKind>(c, "ListServices", q, r, r->mutable_services());
  }
  Reactor* ListRoutes(Context* c, const v1::ListRoutesRequest* q,
                      v1::ListRoutesResponse* r) override {
    return List<RouteKind>(c, "ListRoutes", q, r, r->mutable_routes());
  }
  Reactor* ListOverrides(Context* c, const v1::ListOverridesRequest* q,
                         v1::ListOverridesResponse* r) override {
    return List<OverrideKind>(c, "ListOverrides", q, r, r->mutable_overrides());
  }
  Reactor* CreateService(Context* c, const v1::CreateServiceRequest* q, v1::Service* r) override {
    return Create<ServiceKind>(c, "CreateService",
                               {q->service_id(), q->service(), q->validate_only()}, r);
  }
  Reactor* CreateRoute(Context* c, const v1::CreateRouteRequest* q, v1::Route* r) override {
    return Create<RouteKind>(c, "CreateRoute", {q->route_id(), q->route(), q->validate_only()}, r);
  }
  Reactor* CreateOverride(Context* c, const v1::CreateOverrideRequest* q,
                          v1::Override* r) override {
    return Create<OverrideKind>(c, "CreateOverride",
                                {q->override_id(), q->override(), q->validate_only()}, r);
  }
  Reactor* UpdateService(Context* c, const v1::UpdateServiceRequest* q, v1::Service* r) override {
    return Update<ServiceKind>(c, "UpdateService", q->service(), q, r);
  }
  Reactor* UpdateRoute(Context* c, const v1::UpdateRouteRequest* q, v1::Route* r) override {
    return Update<RouteKind>(c, "UpdateRoute", q->route(), q, r);
  }
  Reactor* UpdateOverride(Context* c, const v1::UpdateOverrideRequest* q,
                          v1::Override* r) override {
    return Update<OverrideKind>(c, "UpdateOverride", q->override(), q, r);
  }
  Reactor* DeleteService(Context* c, const v1::DeleteServiceRequest* q, Empty*) override {
    return Delete<ServiceKind>(c, "DeleteService", q);
  }
  Reactor* DeleteRoute(Context* c, const v1::DeleteRouteRequest* q, Empty*) override {
    return Delete<RouteKind>(c, "DeleteRoute", q);
  }
  Reactor* DeleteOverride(Context* c, const v1::DeleteOverrideRequest* q, Empty*) override {
    return Delete<OverrideKind>(c, "DeleteOverride", q);
  }

  // The configuration as a whole.
  Reactor* Apply(Context* context, const v1::ApplyRequest* request,
                 v1::ApplyResponse* response) override {
    return Serve(context, "Apply", [&](const common::Identity& who, Done done) {
      configuration_->Apply(*request, Actor(who), Into(response, std::move(done)));
    });
  }
  Reactor* Rollback(Context* context, const v1::RollbackRequest* request,
                    v1::ApplyResponse* response) override {
    return Serve(context, "Rollback", [&](const common::Identity& who, Done done) {
      configuration_->Rollback(*request, Actor(who), Into(response, std::move(done)));
    });
  }
  Reactor* GetRevision(Context* context, const v1::GetRevisionRequest* request,
                       v1::ConfigRevision* response) override {
    return Serve(context, "GetRevision", [&](const common::Identity&, Done done) {
      configuration_->GetRevision(request->revision(), Into(response, std::move(done)));
    });
  }
  Reactor* ListRevisions(Context* context, const v1::ListRevisionsRequest* request,
                         v1::ListRevisionsResponse* response) override {
    return Serve(context, "ListRevisions", [&](const common::Identity&, const Done& done) {
      const auto size = PageSize(request->page_size());
      const auto before = ParseNumberToken(request->page_token());
      if (!size.ok()) return done(size.status());
      if (!before.ok()) return done(before.status());
      // One more than asked, to know whether there is a next page.
      configuration_->ListRevisions(
          *before, *size + 1,
          [response, size = *size, done](absl::StatusOr<std::vector<v1::ConfigRevision>> found) {
            if (!found.ok()) return done(found.status());
            if (found->size() > size) {
              found->resize(size);
              response->set_next_page_token(PageToken(absl::StrCat(found->back().revision())));
            }
            for (auto& revision : *found) *response->add_revisions() = std::move(revision);
            done(absl::OkStatus());
          });
    });
  }

 protected:
  using AdminCalls::AdminCalls;

  // Changes the configuration and answers with one resource of it; null: only whether it worked.
  template <typename Kind>
  void Edit(Configuration::EditRequest edit, std::string name, typename Kind::Resource* response,
            Done done) {
    configuration_->Edit(std::move(edit),
                         [name = std::move(name), response,
                          done = std::move(done)](absl::StatusOr<ConfigSnapshot> after) {
                           if (!after.ok()) return done(after.status());
                           if (response != nullptr) {
                             const auto* resource = FindResource<Kind>(*after->config, name);
                             if (resource == nullptr)
                               return done(absl::InternalError(absl::StrCat(name, " is gone")));
                             *response = *resource;
                           }
                           done(absl::OkStatus());
                         });
  }

 private:
  template <typename Kind, typename Request>
  Reactor* Get(Context* context, absl::string_view method, const Request* request,
               typename Kind::Resource* response) {
    return Serve(context, method, [&](const common::Identity&, const Done& done) {
      done([&]() -> absl::Status {
        PM_ASSIGN_OR_RETURN(const std::string name, ResourceName<Kind>(request->name()));
        const ConfigSnapshot current = configuration_->Current();
        PM_ASSIGN_OR_RETURN(const auto* resource, GetResource<Kind>(*current.config, name));
        *response = *resource;
        return absl::OkStatus();
      }());
    });
  }

  template <typename Kind, typename Request, typename Response, typename Out>
  Reactor* List(Context* context, absl::string_view method, const Request* request,
                Response* response, Out* out) {
    return Serve(context, method, [&](const common::Identity&, const Done& done) {
      done([&]() -> absl::Status {
        const ConfigSnapshot current = configuration_->Current();
        const auto& all = Kind::In(*current.config);
        PM_ASSIGN_OR_RETURN(PageRange range,
                            CutPage(all, request->page_size(), request->page_token()));
        for (size_t i = range.begin; i < range.end; ++i) *out->Add() = all[static_cast<int>(i)];
        response->set_next_page_token(std::move(range.next_page_token));
        return absl::OkStatus();
      }());
    });
  }

  template <typename Kind>
  struct Creation {
    std::string id;
    typename Kind::Resource resource;
    bool validate_only = false;
  };
  template <typename Kind>
  Reactor* Create(Context* context, absl::string_view method, Creation<Kind> creation,
                  typename Kind::Resource* response) {
    return Serve(context, method, [&](const common::Identity& who, Done done) {
      const auto name = ResourceName<Kind>(creation.id);
      if (!name.ok()) return done(name.status());
      Configuration::EditRequest edit;
      edit.actor = Actor(who);
      edit.comment = absl::StrCat("create ", *name);
      edit.validate_only = creation.validate_only;
      edit.change = [creation](v1::Config* config) {
        return CreateResource<Kind>(creation.id, creation.resource, config);
      };
      Edit<Kind>(std::move(edit), *name, response, std::move(done));
    });
  }

  template <typename Kind, typename Request>
  Reactor* Update(Context* context, absl::string_view method, typename Kind::Resource resource,
                  const Request* request, typename Kind::Resource* response) {
    return Serve(context, method, [&](const common::Identity& who, Done done) {
      const auto name = ResourceName<Kind>(resource.name());
      if (!name.ok()) return done(name.status());
      resource.set_name(*name);
      Configuration::EditRequest edit;
      edit.actor = Actor(who);
      edit.comment = absl::StrCat("update ", *name);
      edit.validate_only = request->validate_only();
      edit.change = [resource, mask = request->update_mask(),
                     allow_missing = request->allow_missing()](v1::Config* config) {
        return UpdateResource<Kind>(resource, mask, allow_missing, config);
      };
      Edit<Kind>(std::move(edit), *name, response, std::move(done));
    });
  }

  template <typename Kind, typename Request>
  Reactor* Delete(Context* context, absl::string_view method, const Request* request) {
    return Serve(context, method, [&](const common::Identity& who, Done done) {
      const auto name = ResourceName<Kind>(request->name());
      if (!name.ok()) return done(name.status());
      Configuration::EditRequest edit;
      edit.actor = Actor(who);
      edit.comment = absl::StrCat("delete ", *name);
      edit.change = [name = *name, etag = request->etag()](v1::Config* config) {
        return DeleteResource<Kind>(name, etag, config);
      };
      Edit<Kind>(std::move(edit), *name, nullptr, std::move(done));
    });
  }
};

}  // namespace pointsman::controller
