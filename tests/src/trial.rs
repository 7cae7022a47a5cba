//! Turns functions into tests of a run.

use libtest_mimic::{Failed, Trial};

use crate::fixture;
use crate::namespace::Namespace;

/// Registers the tests of a module: `trials! { one, another; async a_third }` declares `pub(crate) fn trials()`.
///
/// A test is a `fn(&Namespace<'_>) -> anyhow::Result<()>`, after the semicolon an `async fn` of the same shape. It fails
/// by returning an error or by panicking, and its name is the module's and its own.
#[macro_export]
macro_rules! trials {
    ($($test:ident),* $(,)? $(; async $($asynchronous:ident),* $(,)?)?) => {
        /// The tests of this module.
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            vec![
                $($crate::trial::new(module_path!(), stringify!($test), $test),)*
                $($($crate::trial::new(module_path!(), stringify!($asynchronous), |namespace| {
                    $crate::block_on($asynchronous(namespace))
                }),)*)?
            ]
        }
    };
}

/// One test. Its namespace, and the control plane that this is in, are made when it runs.
pub fn new(
    module: &str,
    function: &str,
    test: impl FnOnce(&Namespace<'_>) -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    let name = format!("{}::{function}", module.rsplit("::").next().unwrap_or(module));
    Trial::test(name.clone(), move || run(&name, test).map_err(|error| Failed::from(format!("{error:?}"))))
}

fn run(name: &str, test: impl FnOnce(&Namespace<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let namespace = Namespace::create(fixture::control_plane()?, name)?;
    test(&namespace).inspect_err(|_| namespace.keep())
}
