package selftest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"cabline/cmd/internal/telephone"
)

// The flows of operators who see no numbers. They log in at the first of them:
// before, whoever wants an operator waits.

func blindOperators(p Place) string {
	if p.Told {
		return "operators see numbers here"
	}
	return ""
}

func dialling(p Place) string {
	if why := blindOperators(p); why != "" || p.Dials {
		return why
	}
	return "operators' calls leave by another trunk"
}

// theDesk is Anna's, who is logged in from now on.
func (s *stage) theDesk(ctx context.Context) *desk {
	if s.anna == nil {
		s.anna = s.logIn(ctx, Anna)
	}
	return s.anna
}

func (s *stage) logIn(ctx context.Context, login string) *desk {
	d, err := openDesk(ctx, login, s.Place)
	must(err)
	s.watch(d)
	return d
}

// rings is the next call of an operator's phone.
func (d *desk) rings(ctx context.Context) *telephone.Call {
	call, err := d.phone.Coming(ctx)
	must(err)
	must(call.Ring())
	return call
}

// wantsOperator is a client who has an operator's phone ring.
func (s *stage) wantsOperator(ctx context.Context) (client, operator *telephone.Call) {
	d := s.theDesk(ctx)
	client = s.calls(ctx, s.client, s.Line)
	client.Press("0")
	return client, d.rings(ctx)
}

// served is a client who talks to an operator.
func (s *stage) served(ctx context.Context) (client, operator *telephone.Call) {
	client, operator = s.wantsOperator(ctx)
	must(operator.Answer(), operator.WaitTalk(ctx))
	hear(ctx, client, operator)
	return client, operator
}

func operatorAnswers(ctx context.Context, s *stage) {
	client, operator := s.served(ctx)
	s.anna.opens(ctx, "/console/api/calls/"+operator.Invite.Value("X-Cabline-Call")+"/card", "/api/v1/calls")
	part(ctx, client, operator)
}

func operatorCancelled(ctx context.Context, s *stage) {
	client, operator := s.wantsOperator(ctx)
	part(ctx, client, operator)
}

func operatorRefuses(ctx context.Context, s *stage) {
	client, operator := s.wantsOperator(ctx)
	must(operator.Reject(486, "Anna "+deskCanary+" is busy"))
	over(ctx, operator)
	must(client.HangUp())
}

// operatorHolds is all that an operator's phone may send while they talk.
func operatorHolds(ctx context.Context, s *stage) {
	client, operator := s.served(ctx)
	describe(ctx, operator, "sendonly", "sendrecv")
	describe(ctx, client, "sendonly", "sendrecv")
	for call, canary := range map[*telephone.Call]string{client: clientCanary, operator: deskCanary} {
		ask(ctx, call, "UPDATE", "", "")
		ask(ctx, call, "INFO", "text/plain", canary)
		ask(ctx, call, "MESSAGE", "text/plain", "call me at "+canary)
	}
	hear(ctx, client, operator)
	part(ctx, operator, client)
}

// operatorCalls is a click on a number that is not shown.
func operatorCalls(ctx context.Context, s *stage) {
	d := s.theDesk(ctx)
	client := d.stands(ctx, s.order, "phone")
	for _, reason := range []string{"Subscriber " + ClientNumber + " is busy", clientCanary} {
		operator, err := d.phone.Call(client)
		must(err)
		must(s.called(ctx, ClientNumber).Reject(486, reason))
		must(operator.HangUp(), s.Idle(ctx))
	}
	operator, err := d.phone.Call(client)
	must(err)
	called := s.called(ctx, ClientNumber)
	answers(ctx, called)
	must(operator.WaitTalk(ctx))
	hear(ctx, operator, called)
	part(ctx, called, operator)
}

// handOver gives a client to the driver of the order.
func handOver(ctx context.Context, s *stage) {
	client, operator := s.served(ctx)
	s.handsTo(ctx, operator, s.anna.stands(ctx, s.order, "driver_phone"))
	driver := s.called(ctx, DriverNumber)
	answers(ctx, driver)
	over(ctx, operator)
	hear(ctx, client, driver)
	part(ctx, client, driver)
}

// handBetween gives a client to another operator.
func handBetween(ctx context.Context, s *stage) {
	client, operator := s.served(ctx)
	if s.boris == nil {
		s.boris = s.logIn(ctx, Boris)
	}
	s.handsTo(ctx, operator, Boris)
	other := s.boris.rings(ctx)
	must(other.Answer(), other.WaitTalk(ctx))
	over(ctx, operator)
	hear(ctx, client, other)
	part(ctx, other, client)
}

func (s *stage) handsTo(ctx context.Context, operator *telephone.Call, whom string) {
	if status := refer(ctx, operator, whom, s.Web.Addr().String()); status != http.StatusAccepted {
		must(fmt.Errorf("an operator's REFER was answered with %d", status))
	}
}

// driverWithoutOrder is a driver who gets the operator of their last order.
func driverWithoutOrder(ctx context.Context, s *stage) {
	d := s.theDesk(ctx)
	must(s.Become(ctx, s.order, NoWindow))
	driver, err := s.people.Call(s.Line)
	must(err)
	operator := d.rings(ctx)
	d.opens(ctx, "/console/api/calls/"+operator.Invite.Value("X-Cabline-Call")+"/card")
	must(operator.Answer(), operator.WaitTalk(ctx))
	hear(ctx, driver, operator)
	part(ctx, operator, driver)
	must(s.Become(ctx, s.order, "accepted"))
}

// allPages is every page and list, when everything above has happened.
func allPages(ctx context.Context, s *stage) {
	s.theDesk(ctx).opens(ctx, "/", "/orders", "/calls", "/notices", "/console/api/me",
		"/api/v1/orders", "/api/v1/orders/"+s.order, "/api/v1/orders?phone="+ClientNumber[2:],
		"/api/v1/cdrs", "/api/v1/calls", "/api/v1/notices", "/api/v1/opt-outs", "/metrics")
}

// opens has the browser ask for some addresses.
func (d *desk) opens(ctx context.Context, paths ...string) {
	for _, path := range paths {
		_, err := d.ask(ctx, http.MethodGet, path, nil)
		must(err)
	}
}

// stands is what stands for a number of an order, as a SIP address has it.
func (d *desk) stands(ctx context.Context, order, field string) string {
	content, err := d.ask(ctx, http.MethodGet, "/api/v1/orders/"+order, nil)
	must(err)
	var fields map[string]any
	must(json.Unmarshal(content, &fields))
	text, _ := fields[field].(string)
	_, seal, found := strings.Cut(text, "~")
	if !found {
		must(fmt.Errorf("the order's %s is shown as %q", field, text))
	}
	return "~" + seal
}
