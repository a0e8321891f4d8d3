//! The head follows what other nodes append, whatever becomes of the subscription.

use std::time::Duration;

use octocity_eventstoredb_double::Cut;
use octocity_log::contract::{batch, client_id, fill, must_append, stream};
use octocity_log::{EventLog, Position};

use crate::storage::Served;

const IN_TIME: Duration = Duration::from_secs(60);

pub fn head_of(log: &dyn EventLog) -> Position {
    *log.head().borrow()
}

pub async fn reaches(log: &dyn EventLog, position: Position) {
    let mut head = log.head();
    let reached = head.wait_for(|head| *head >= position);
    tokio::time::timeout(IN_TIME, reached).await.expect("the head follows").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_subscription_is_opened_again_without_a_hurry() {
    let served = Served::double();
    let (one, two) = (served.log(), served.log());
    fill(&*one, stream(1), 0, 3).await;
    reaches(&*two, head_of(&*one)).await;
    for (revision, cut) in (3..).zip([Cut::Clean, Cut::Unavailable, Cut::Clean]) {
        let before = served.server().faults().subscriptions();
        served.server().faults().cut_subscriptions(cut);
        let appended = must_append(&*one, batch(stream(1), revision, client_id(revision), &["a"])).await;
        reaches(&*two, appended.positions[0]).await;
        // Those of both.
        let opened = || served.server().faults().subscriptions() - before;
        let both = async {
            while opened() < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(IN_TIME, both).await.expect("both are opened again");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let opened = opened();
        assert!((2..=6).contains(&opened), "{opened} subscriptions were opened after {cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_others_move_no_head() {
    let served = Served::double();
    let (one, two) = (served.log(), served.log());
    fill(&*one, stream(1), 0, 1).await;
    reaches(&*two, head_of(&*one)).await;
    let before = head_of(&*two);
    let refused = must_append(&*one, batch(stream(1), 1, client_id(5), &[])).await;
    assert_eq!(refused.positions, [before]);
    let after = must_append(&*one, batch(stream(2), 0, client_id(6), &["a"])).await.positions[0];
    let mut head = two.head();
    head.borrow_and_update();
    reaches(&*two, after).await;
    assert_eq!(*head.borrow(), after);
    // Where the last records are refusals, a node that comes anew finds the event before them.
    must_append(&*one, batch(stream(1), 1, client_id(7), &[])).await;
    assert_eq!(head_of(&*served.log()), after);
}
