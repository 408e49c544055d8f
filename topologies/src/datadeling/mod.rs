//! Datadeling: projections of agreements about labour-market measures, for those who ask whether a person is on one,
//! which, how many, how long, and who is at an employer.
//!
//! Most modules are the domain itself, pure functions in the order a message meets them, with no store, clock,
//! topic or engine in them; [`topologi`] puts them on the engine, [`lager`] and [`graphql`] answer from its stores:
//!
//! | Module | Question |
//! |---|---|
//! | [`tid`] | when is it, in Oslo and in microseconds |
//! | [`dekod`] | what may be kept of a message |
//! | [`kjente`] | are its values known |
//! | [`rekkefolge`] | which message wins |
//! | [`status`] | what do its dates say |
//! | [`kvalitet`] | should that have happened |
//! | [`projeksjon`] | whom does the change concern |
//! | [`antall`] | how many are there now |
//! | [`sporring`] | what is the answer |
//! | [`generator`] | what might the owner send |

pub mod antall;
pub mod dekod;
pub mod generator;
pub mod graphql;

pub mod kjente;
pub mod kvalitet;
pub mod lager;

mod melding;
pub mod projeksjon;
pub mod rekkefolge;
pub mod sporring;
pub mod status;
pub mod tellere;
pub mod tid;
pub mod topologi;
