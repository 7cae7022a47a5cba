//! The examples that each command's help ends with.

pub(super) const INIT: &str = "\
Examples:
  kubectl release init shop --environments development,staging,production --production production";

pub(super) const CREATE: &str = "\
Examples:
  # Cut a release from a folder and pin it in the pipeline's first environment
  kubectl release create shop -f k8s/ --version v1.4.0 --reason \"gift cards\"

  # Let the replicas differ per environment
  kubectl release create shop -f k8s/ --lift replicas=Deployment/shop:/spec/replicas

  # With another image, and without a Secret
  kubectl release create shop -k overlay --image shop=registry.example/shop:2 --skip Secret/token";

pub(super) const PROMOTE: &str = "\
Examples:
  # The only step possible, else the choices
  kubectl release promote shop

  # To staging with three replicas, after a look at what changes
  kubectl release promote shop --to staging --config replicas=3 --diff --reason \"ready for the testers\"";

pub(super) const HISTORY: &str = "\
Examples:
  # One component in all its environments, or in one
  kubectl release history shop
  kubectl release history shop production

  # Who changed the pipeline
  kubectl release history deploymentpipeline/shop

  # What one person did anywhere in the last week, for a script
  kubectl release history -A --by jane@example.com --since 7d -o json";

pub(super) const LIST: &str = "\
Examples:
  kubectl release list
  kubectl release list -A --skew";

pub(super) const STATUS: &str = "\
Examples:
  kubectl release status shop
  kubectl release status shop production -o json";

pub(super) const LINT: &str = "\
Examples:
  kubectl release lint -f k8s/
  kustomize build overlay | kubectl release lint -f -";
