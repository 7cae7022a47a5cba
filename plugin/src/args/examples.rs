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
  kubectl release promote shop --to staging --config replicas=3 --diff --reason \"ready for the testers\"

  # Back to the last healthy revision if it is not healthy within ten minutes
  kubectl release promote shop --to production --atomic --wait=10m";

pub(super) const ROLLBACK: &str = "\
Examples:
  # To the last healthy revision that differs from today's, and see it become healthy
  kubectl release rollback shop production --reason \"orders fail\" --wait

  # To a revision out of the history, after a look at what changes
  kubectl release rollback shop production --to-revision 4 --diff

  # While the environment is frozen, by who may
  kubectl release rollback shop production --bypass --reason \"OPS-1311: checkout is down\"";

pub(super) const CONFIGURE: &str = "\
Examples:
  kubectl release configure shop staging replicas=5 --reason \"load test\"

  # Set one value and leave another to the release's default
  kubectl release configure shop staging logLevel=debug replicas-";

pub(super) const RESTART: &str = "\
Examples:
  kubectl release restart shop staging --reason \"new certificates\" --wait";

pub(super) const UNDEPLOY: &str = "\
Examples:
  kubectl release undeploy shop staging --reason \"not needed over the holidays\"";

pub(super) const REDEPLOY: &str = "\
Examples:
  kubectl release redeploy shop staging --wait";

pub(super) const DELETE: &str = "\
Examples:
  # From one environment; its history goes with its pin
  kubectl release delete shop staging --reason \"moved to the new cluster\"

  # Pins, releases and the component itself
  kubectl release delete shop --yes";

pub(super) const HISTORY: &str = "\
Examples:
  # One component in all its environments, or in one
  kubectl release history shop
  kubectl release history shop production

  # Who changed the pipeline
  kubectl release history deploymentpipeline/shop

  # What one person did anywhere in the last week, for a script
  kubectl release history -A --by jane@example.com --since 7d -o json

  # Whether anybody has improved on it, also since somebody noted the hash of its newest record
  kubectl release history --all --verify
  kubectl release history shop production --verify --expect 4e24…";

pub(super) const LIST: &str = "\
Examples:
  kubectl release list
  kubectl release list -A --skew

  # What is not healthy, and how many of each there are
  kubectl release list --problems
  kubectl release list -A --summary";

pub(super) const STATUS: &str = "\
Examples:
  kubectl release status shop
  kubectl release status shop production -o json

  # Follow until it is settled; exit code 6 when it ends Degraded
  kubectl release status shop production -w --timeout 5m

  # A Release that somebody wrote by hand
  kubectl release status release/shop";

pub(super) const DIFF: &str = "\
Examples:
  # What somebody changed in the cluster
  kubectl release diff shop staging

  # What going back to revision 3 would change
  kubectl release diff shop staging --against 3

  # What production runs differently
  kubectl release diff shop staging --against production

Exit codes: 0 the same, 1 they differ, 2 or more failed.";

pub(super) const GET: &str = "\
Examples:
  # What staging should look like, and what it looked like in revision 3
  kubectl release get shop staging
  kubectl release get shop staging --revision 3 --output-dir revision-3

  # The way out without a controller
  kubectl release get shop staging | kubectl apply -f -";

pub(super) const TREE: &str = "\
Examples:
  kubectl release tree shop staging

  # The pods that are not healthy
  kubectl release tree shop staging -o json | jq '.items[] | select(.kind == \"Pod\" and .health != \"Healthy\")'";

pub(super) const LINT: &str = "\
Examples:
  kubectl release lint -f k8s/
  kustomize build overlay | kubectl release lint -f -";

pub(super) const VERSION: &str = "\
Examples:
  kubectl release version -o json";
