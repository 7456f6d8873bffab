package gootax

import "cabline/pbx"

// usual is what Gootax's statuses mean, by their names in its papers, the groups
// its client API was seen to answer with, and our own words. The codes it sends
// are not published: they are set in the config, from the log.
var usual = map[string]pbx.Status{
	"новый заказ": pbx.StatusNew,
	"новый":       pbx.StatusNew,
	"new":         pbx.StatusNew,
	"new order":   pbx.StatusNew,
	"pre order":   pbx.StatusNew, // booked for later

	"водитель принял заказ": pbx.StatusAccepted,
	"водитель принял":       pbx.StatusAccepted,
	"заказ принят":          pbx.StatusAccepted,
	"accepted":              pbx.StatusAccepted,
	"driver accepted":       pbx.StatusAccepted,
	"car assigned":          pbx.StatusAccepted,

	"водитель приедет после завершения текущего заказа": pbx.StatusAcceptedNext,
	"водитель выедет после завершения текущего заказа":  pbx.StatusAcceptedNext,
	"accepted next": pbx.StatusAcceptedNext,

	"водитель прибыл":     pbx.StatusArrived,
	"водитель на месте":   pbx.StatusArrived,
	"автомобиль на месте": pbx.StatusArrived,
	"arrived":             pbx.StatusArrived,
	"driver arrived":      pbx.StatusArrived,
	"car at place":        pbx.StatusArrived,

	"платное ожидание": pbx.StatusPaidWaiting,
	"paid waiting":     pbx.StatusPaidWaiting,

	"заказ выполняется": pbx.StatusInProgress,
	"выполняется":       pbx.StatusInProgress,
	"in progress":       pbx.StatusInProgress,
	"executing":         pbx.StatusInProgress,
	"order under way":   pbx.StatusInProgress,

	"выполнен оплачен": pbx.StatusCompleted,
	"заказ выполнен":   pbx.StatusCompleted,
	"выполнен":         pbx.StatusCompleted,
	"completed":        pbx.StatusCompleted,
	"done paid":        pbx.StatusCompleted,

	"отказ от заказа": pbx.StatusRefused,
	"refused":         pbx.StatusRefused,
	"order refused":   pbx.StatusRefused,
	"rejected":        pbx.StatusRefused,

	"водитель опаздывает": pbx.StatusLate,
	"late":                pbx.StatusLate,
	"driver late":         pbx.StatusLate,

	"просроченный заказ": pbx.StatusOverdue,
	"заказ просрочен":    pbx.StatusOverdue,
	"overdue":            pbx.StatusOverdue,
	"overdue order":      pbx.StatusOverdue,

	"водитель отказался": pbx.StatusDriverRefused,
	"отказ водителя":     pbx.StatusDriverRefused,
	"driver refused":     pbx.StatusDriverRefused,

	"водитель не найден": pbx.StatusNoDriver,
	"машина не найдена":  pbx.StatusNoDriver,
	"no driver":          pbx.StatusNoDriver,
	"no driver found":    pbx.StatusNoDriver,

	"отменен водителем":   pbx.StatusCancelledByDriver,
	"отмена водителем":    pbx.StatusCancelledByDriver,
	"cancelled by driver": pbx.StatusCancelledByDriver,

	"заказан по ошибке":  pbx.StatusMistake,
	"ошибочный заказ":    pbx.StatusMistake,
	"mistake":            pbx.StatusMistake,
	"ordered by mistake": pbx.StatusMistake,
}
