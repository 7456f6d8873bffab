// Command cabload loads a telephone exchange and measures what becomes of the
// calls: how many it sets up in a second, how late and how whole their audio
// comes through, and what that costs in processor time and memory.
//
// It is both ends of every call in one process, on loopback addresses only,
// and ends by itself. It knows of the exchange under test no more than a
// carrier does: a SIP address, a number which leads back here, and (for the
// costs) a process id. It prints a table or JSON; it does not log.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// Bounds of what may be asked for.
const (
	maxRate    = 10000 // calls a second
	maxCalls   = 2000  // at once
	maxLength  = time.Minute
	maxRuntime = 15 * time.Minute

	maxSoak     = 2 * time.Hour
	maxSoakRate = 200
	maxSources  = 60000
)

// options are the command line.
type options struct {
	PBX         netip.AddrPort `name:"pbx" default:"127.0.0.11:5060" help:"SIP address of the exchange."`
	Direct      bool           `help:"No exchange: call our own other end, to see what this tool itself can do."`
	PID         int            `name:"pid" help:"Process id of the exchange, for its costs."`
	Number      string         `default:"+74950000001" help:"Number to call; the exchange must send it on to the callee."`
	Caller      netip.AddrPort `default:"127.0.0.2:5062" help:"SIP address of the calling end."`
	Callee      netip.AddrPort `default:"127.0.0.3:5070" help:"SIP address of the answering end."`
	CallerCodec string         `enum:"pcma,pcmu" default:"pcma" help:"Codec of the calling end."`
	CalleeCodec string         `enum:"pcma,pcmu" default:"pcma" help:"Codec of the answering end."`
	Menu        string         `default:"+74950000000" help:"Number where the exchange says the menu."`
	Driver      string         `default:"+79990000001" help:"Number of the drivers; the exchange must reach the callee by it."`
	Web         string         `default:"http://127.0.0.11:8480" help:"Web address of the exchange, for orders and metrics; empty: no orders."`
	Token       string         `default:"only-for-the-bench" help:"Its REST token."`
	Quiet       float64        `help:"Wait before each measurement, a minute at most, until other programs use less than this part of a core."`
	Curve       []string       `type:"path" help:"Write the curve of a soak or a flood here, as .csv or .svg; may be given twice."`
	JSON        bool           `name:"json" help:"Print one JSON object at the end."`

	CPS struct {
		Rate float64       `default:"200" help:"Calls a second."`
		For  time.Duration `default:"6s" help:"How long calls are started."`
		Hold time.Duration `default:"0s" help:"How long each lasts."`
	} `cmd:"" name:"cps" help:"Set calls up and take them down at one rate."`
	Find struct {
		Rate float64       `default:"200" help:"The first rate tried."`
		For  time.Duration `default:"6s" help:"How long calls are started at each."`
		Hold time.Duration `default:"0s" help:"How long each call lasts."`
	} `cmd:"" help:"Find the highest clean rate: no failure, no repeated message, p99 of set-up at most 250 ms."`
	Media struct {
		Calls []int         `default:"100,500,1000" help:"Concurrent calls, step by step."`
		Rate  float64       `default:"100" help:"Calls a second while going up."`
		For   time.Duration `default:"10s" help:"Measured time at each step."`
	} `cmd:"" help:"Measure the audio of concurrent calls."`
	Announce struct {
		Callers []int         `default:"100,500" help:"Callers at the menu at once, one measurement for each number."`
		Rate    float64       `default:"100" help:"Calls a second while they come."`
		For     time.Duration `default:"6s" help:"Measured time, and again as long in which each presses a key."`
	} `cmd:"" help:"Measure what is said to callers at the menu: its cost, how late it comes, first sound, reaction to a key; fails if the p99 of that is more than 150 ms."`
	Soak struct {
		Rate   float64       `default:"20" help:"Calls a second."`
		For    time.Duration `default:"10m" help:"How long calls are started."`
		Talk   time.Duration `default:"15s" help:"The longest talk."`
		Ring   time.Duration `default:"2s" help:"The longest time a driver's phone rings."`
		Every  time.Duration `default:"10s" help:"Time between two points of the curve."`
		Settle time.Duration `default:"4m" help:"The longest wait, after the last call, for the exchange to return to where it began."`
	} `cmd:"" help:"Calls of every kind, ended at random moments; fails unless the exchange gives back all it held."`
	Flood struct {
		Rate     float64       `default:"2000" help:"Messages of strangers a second."`
		Sources  int           `default:"10000" help:"Addresses they come from."`
		First    netip.Addr    `default:"127.200.0.1" help:"The first of these; the others follow."`
		For      time.Duration `default:"10m" help:"How long it lasts."`
		Calls    int           `default:"50" help:"Live calls meanwhile."`
		Phones   int           `default:"20" help:"Operators' phones that register meanwhile, each every two seconds, at the first of the strangers' addresses."`
		Login    string        `default:"anna" help:"The operator."`
		Password string        `default:"only-for-the-bench" help:"And the password."`
		Every    time.Duration `default:"10s" help:"Time between two points of the curve."`
		Settle   time.Duration `default:"4m" help:"The longest wait, after the flood, for the exchange to return to where it began."`
	} `cmd:"" help:"Live calls and operators' phones in a flood of strangers' messages; fails if a packet of a call, a hundredth of the registrations or the bounds of memory are lost, or a stranger gets an answer that helps."`
	Bridge struct {
		Calls    []int         `default:"10,50" help:"Operators in a talk at once, one measurement for each number."`
		Login    string        `default:"op" help:"What their logins begin with; their number follows, from 1."`
		Password string        `default:"only-for-the-bench" help:"And the password."`
		For      time.Duration `default:"6s" help:"Measured time."`
	} `cmd:"" help:"Measure talks between operators' browsers and the trunk."`
	Relay struct {
		Calls int `help:"How many calls."`
	} `cmd:"" hidden:"" help:"Be the bare relay that an exchange is compared with."`
	All struct {
		Calls []int         `default:"100,500,1000" help:"Concurrent calls, step by step."`
		Rate  float64       `default:"200" help:"The first rate tried."`
		For   time.Duration `default:"6s" help:"Measured time of each trial and step."`
	} `cmd:"" help:"The audio, announcements to 100 and 500 callers, talks of browsers, then the highest clean rate."`
}

// Validate is called by kong.
func (o *options) Validate() error {
	for _, a := range []netip.AddrPort{o.PBX, o.Caller, o.Callee} {
		if !a.Addr().IsLoopback() || !a.Addr().Is4() {
			return fmt.Errorf("%s is not on loopback (127.0.0.0/8); this tool goes nowhere else", a)
		}
	}
	for _, rate := range []float64{o.CPS.Rate, o.Find.Rate, o.Media.Rate, o.All.Rate, o.Announce.Rate} {
		if rate < 1 || rate > maxRate {
			return fmt.Errorf("rate %v is not within 1 and %d", rate, maxRate)
		}
	}
	for _, d := range []time.Duration{o.CPS.For, o.Find.For, o.Media.For, o.All.For, o.Announce.For, o.Bridge.For, o.CPS.Hold + 1, o.Find.Hold + 1} {
		if d <= 0 || d > maxLength {
			return fmt.Errorf("%s is not within 0 and %s", d, maxLength)
		}
	}
	if len(o.Announce.Callers) == 0 {
		return errors.New("announcements to nobody")
	}
	for _, steps := range [][]int{o.Media.Calls, o.All.Calls, o.Announce.Callers, o.Bridge.Calls} {
		if !slices.IsSorted(steps) || len(steps) == 0 || steps[0] < 1 || steps[len(steps)-1] > maxCalls {
			return fmt.Errorf("calls %v must grow from 1 to at most %d", steps, maxCalls)
		}
	}
	return errors.Join(o.validateWeb(), o.validateSoak(), o.validateFlood())
}

func (o *options) validateWeb() error {
	if o.Web == "" {
		return nil
	}
	u, err := url.Parse(o.Web)
	if err != nil {
		return err
	}
	if host, err := netip.ParseAddr(u.Hostname()); err != nil || !host.IsLoopback() || u.Scheme != "http" {
		return fmt.Errorf("%s is not http on loopback; this tool goes nowhere else", o.Web)
	}
	return nil
}

func (o *options) validateSoak() error {
	s := o.Soak
	if s.Rate < 1 || s.Rate > maxSoakRate || s.For <= 0 || s.For > maxSoak {
		return fmt.Errorf("a soak is 1 to %d calls a second for up to %s", maxSoakRate, maxSoak)
	}
	if s.Ring >= patience {
		return fmt.Errorf("ring %s: after %s a call counts as lost", s.Ring, patience)
	}
	for _, d := range []time.Duration{s.Talk, s.Ring, s.Every, s.Settle / 10} {
		if d < 10*time.Millisecond || d > maxLength {
			return fmt.Errorf("%s is not within 10 ms and %s", d, maxLength)
		}
	}
	return nil
}

func (o *options) validateFlood() error {
	f := o.Flood
	if !f.First.IsLoopback() || !f.First.Is4() {
		return fmt.Errorf("strangers from %s: they live on loopback (127.0.0.0/8)", f.First)
	}
	if f.Rate < 1 || f.Rate > maxRate || f.For < 3*arriving || f.For > maxSoak || f.Sources < 1 || f.Sources > maxSources || f.Calls < 1 || f.Calls > maxCalls ||
		f.Phones < 0 || f.Phones > f.Sources || f.Every < time.Millisecond || f.Settle < 0 || f.Settle > 10*maxLength {
		return fmt.Errorf("a flood is 1 to %d messages a second from 1 to %d sources, for %s to %s, on 1 to %d calls", maxRate, maxSources, 3*arriving, maxSoak, maxCalls)
	}
	return nil
}

func (o *options) flood() flood {
	f := o.Flood
	return flood{Web: o.web(), Rate: f.Rate, Sources: f.Sources, First: f.First, For: f.For, Calls: f.Calls, Phones: f.Phones,
		Login: f.Login, Password: f.Password, Every: f.Every, Settle: f.Settle}
}

func (o *options) web() web { return web{URL: strings.TrimSuffix(o.Web, "/"), Token: o.Token} }

func (o *options) soak() soak {
	s := o.Soak
	return soak{Web: o.web(), Menu: o.Menu, Driver: o.Driver, Rate: s.Rate, For: s.For, Talk: s.Talk, Ring: s.Ring, Every: s.Every, Settle: s.Settle}
}

func (o *options) bench() bench {
	codecs := map[string]uint8{"pcma": 8, "pcmu": 0}
	b := bench{PBX: o.PBX, PID: process(o.PID), Number: o.Number, Caller: o.Caller, Callee: o.Callee,
		CallerCodec: codecs[o.CallerCodec], CalleeCodec: codecs[o.CalleeCodec], Quiet: o.Quiet}
	if o.Direct {
		b.PBX, b.PID = b.Callee, 0
	}
	return b
}

func main() {
	var o options
	command := kong.Parse(&o, kong.Name("cabload"), kong.Description("Load a telephone exchange on this machine and measure it."))
	if command.Command() == "relay" {
		command.FatalIfErrorf(relayBare(min(o.Relay.Calls, maxCalls), os.Stdin, os.Stdout))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	limit := maxRuntime
	if command.Command() == "soak" {
		limit += o.Soak.For
	}
	if command.Command() == "flood" {
		limit += o.Flood.For
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("still not done after %s", limit))
	defer cancel()
	if err := run(ctx, &o, command.Command()); err != nil {
		fmt.Fprintln(os.Stderr, "cabload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, command string) (err error) {
	b := o.bench()
	r := &report{quiet: o.JSON}
	if r.IdleRSS, err = b.PID.memory(); err != nil {
		return err
	}
	r.begin(b)
	switch command {
	case "cps":
		var s setups
		if s, err = b.signal(ctx, o.CPS.Rate, o.CPS.For, o.CPS.Hold); err == nil {
			r.trial(s)
		}
	case "find":
		err = r.find(ctx, b, o.Find.Rate, o.Find.For, o.Find.Hold)
	case "media":
		err = r.talks(ctx, b, o.Media.Calls, o.Media.Rate, o.Media.For)
	case "announce":
		err = r.announce(ctx, b, o, o.Announce.Callers, o.Announce.Rate, o.Announce.For)
	case "bridge":
		err = r.bridges(ctx, b, o, o.Bridge.Calls, o.Bridge.For)
	case "soak":
		err = r.soak(ctx, b, o.soak())
	case "flood":
		err = r.flood(ctx, b, o.flood())
	case "all":
		if err = r.talks(ctx, b, o.All.Calls, 100, o.All.For); err == nil {
			err = r.announce(ctx, b, o, []int{100, 500}, 100, o.All.For)
			if o.Web != "" {
				err = errors.Join(err, r.bridges(ctx, b, o, o.Bridge.Calls, o.All.For))
			}
			err = errors.Join(err, r.find(ctx, b, o.All.Rate, o.All.For, 0)) // its figures are wanted all the same
		}
	}
	for _, path := range o.Curve {
		err = errors.Join(err, save(path, r.title(command, o), r.points()))
	}
	if o.JSON {
		err = errors.Join(err, json.NewEncoder(os.Stdout).Encode(r))
	}
	return err
}
