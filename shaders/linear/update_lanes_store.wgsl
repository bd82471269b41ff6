// linear.update, lanes: as linear/update_store.wgsl, with the rates of the step loaded once.
//
// needs: Rates, adam_rates, adam_step, elem
// gives: rates
// gives: ready()
// gives: store(i: u32, gradient: elem)

var<private> rates: Rates;

fn ready() {
    rates = adam_rates();
}

fn store(i: u32, gradient: elem) {
    adam_step(i, gradient, rates);
}
