package pbx

// The names of log fields. No others are used here.
const (
	logCall   = "call"
	logKind   = "kind"
	logFrom   = "from"
	logLine   = "line"
	logOrder  = "order"
	logNotice = "notice"
	logStatus = "status"
	logState  = "state"
	logWhy    = "why"
	logResult = "result"
	logTalked = "talked"
	logLeg    = "leg"
	logTook   = "took"
	logTrunk  = "trunk"
	logStack  = "stack"
	logPanic  = "panic"
)
