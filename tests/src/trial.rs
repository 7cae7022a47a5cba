//! Turns functions into tests of a run.

use libtest_mimic::{Failed, Trial};

use crate::fixture::Stage;
use crate::namespace::Namespace;

/// Registers the tests of a module: `trials! { one, another; async a_third }` declares `pub(crate) fn trials()`. With
/// `admission:` in front they run where there is no controller, with `policies:` where only the API server answers, with
/// `oldest:` where it does so on the oldest version, and with `policies and oldest:` on both, under two names.
///
/// A test is a `fn(&Namespace<'_>) -> anyhow::Result<()>`, after the semicolon an `async fn` of the same shape. It fails
/// by returning an error or by panicking, and its name is the module's and its own.
#[macro_export]
macro_rules! trials {
    (admission: $($tests:tt)*) => { $crate::trials!(@ Admission $($tests)*); };
    (policies: $($tests:tt)*) => { $crate::trials!(@ Policies $($tests)*); };
    (oldest: $($tests:tt)*) => { $crate::trials!(@ Oldest $($tests)*); };
    (policies and oldest: $($test:ident),* $(,)?) => {
        /// The tests of this module.
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$(
                $crate::trial::new($crate::fixture::Stage::Policies, module_path!(), stringify!($test), $test),
                $crate::trial::new(
                    $crate::fixture::Stage::Oldest,
                    module_path!(),
                    concat!(stringify!($test), "_on_the_oldest_version"),
                    $test,
                ),
            )*]
        }
    };
    (@ $stage:ident $($test:ident),* $(,)? $(; async $($asynchronous:ident),* $(,)?)?) => {
        /// The tests of this module.
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            vec![
                $($crate::trial::new($crate::fixture::Stage::$stage, module_path!(), stringify!($test), $test),)*
                $($($crate::trial::new($crate::fixture::Stage::$stage, module_path!(), stringify!($asynchronous), |namespace| {
                    $crate::block_on($asynchronous(namespace))
                }),)*)?
            ]
        }
    };
    ($($tests:tt)*) => { $crate::trials!(@ Whole $($tests)*); };
}

/// One test. Its namespace, and the control plane that this is in, are made when it runs.
pub fn new(
    stage: Stage,
    module: &str,
    function: &str,
    test: impl FnOnce(&Namespace<'_>) -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    let name = format!("{}::{function}", module.rsplit("::").next().unwrap_or(module));
    Trial::test(name.clone(), move || run(stage, &name, test).map_err(|error| Failed::from(format!("{error:?}"))))
}

fn run(stage: Stage, name: &str, test: impl FnOnce(&Namespace<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let namespace = Namespace::create(stage.control_plane()?, name)?;
    test(&namespace).inspect_err(|_| namespace.keep())
}
