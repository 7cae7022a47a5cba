//! The images of `make images`: what is in them, and the main job done by them. `make images-test`

// The paths are those that the compiler would take; rustfmt would take others.

/// One image after another.
#[path = "images"]
mod images {
    pub(crate) mod archive;
    pub(crate) mod contents;
    pub(crate) mod story;
}

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two of them unpack images, and the last one needs the machine.
    arguments.test_threads.get_or_insert(1);
    let trials = vec![
        trial("an_image_holds_one_program_and_says_how_to_run_it", images::contents::one_program),
        trial("its_bill_of_materials_names_all_that_is_linked_in", images::contents::bill_of_materials),
        trial("the_story_is_told_by_what_is_in_the_images", images::story::told),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: fn() -> anyhow::Result<()>) -> Trial {
    Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:?}"))))
}
