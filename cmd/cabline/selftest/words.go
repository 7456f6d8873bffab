package selftest

import (
	"fmt"
	"io"
	"time"
)

// Tongue is the language a certificate is written in: ru, else English.
type Tongue string

// Say is an English phrase in the language, and with its values put in.
func (t Tongue) Say(phrase string, values ...any) string {
	if other, known := russian[phrase]; known && t == "ru" {
		phrase = other
	}
	if len(values) == 0 {
		return phrase
	}
	return fmt.Sprintf(phrase, values...)
}

var russian = map[string]string{
	"answer":                         "ответ",
	"answer to a late offer":         "ответ, SDP в ACK",
	"busy":                           "занято",
	"no answer":                      "нет ответа",
	"cancel":                         "отмена вызова",
	"error texts":                    "тексты отказов",
	"181 and 302 with Diversion":     "181 и 302 с Diversion",
	"forwarding by the far side":     "переадресация у абонента",
	"voicemail":                      "автоответчик",
	"hold":                           "удержание",
	"re-INVITE":                      "re-INVITE",
	"transfer asked for by a party":  "перевод по просьбе сети",
	"connected-line update":          "смена собеседника",
	"INFO, NOTIFY, MESSAGE, OPTIONS": "INFO, NOTIFY, MESSAGE, OPTIONS",
	"joined on request":              "соединение по запросу",
	"joined on request, no answer":   "то же, нет ответа",
	"the driver calls":               "звонит водитель",
	"a driver of two orders chooses": "водитель двух заказов",
	"missed-call callback":           "перезвон пропустившего",
	"callback after the window":      "перезвон после срока",
	"a line that is forwarded":       "линия с переадресацией",
	"an operator answers":            "оператор отвечает",
	"an operator is cancelled":       "оператора не дождались",
	"an operator refuses":            "оператор отклоняет",
	"an operator holds":              "оператор ставит на удержание",
	"an operator calls":              "оператор звонит",
	"an operator hands over":         "оператор переводит водителю",
	"operators hand to each other":   "перевод другому оператору",
	"a driver without an order":      "водитель без заказа",
	"operators' pages":               "страницы операторов",

	"flow":          "вызов",
	"first lines":   "первая строка",
	"From, To…":     "From, To…",
	"identities":    "кто звонит",
	"other headers": "заголовки",
	"SDP, bodies":   "SDP, тела",
	"RTP, RTCP":     "RTP, RTCP",
	"pages":         "страницы",
	"log":           "журнал",

	"this firm has none":                      "у вас таких нет",
	"operators see numbers here":              "операторы у вас видят номера",
	"operators' calls leave by another trunk": "операторы звонят через другой транк",
	"client":   "клиенту",
	"driver":   "водителю",
	"target":   "абоненту линии",
	"operator": "оператору",
	"unknown":  "неизвестно кому",

	"%d of %d":       "%d из %d",
	"%d LEAKS of %d": "УТЕЧЕК %d из %d",
	"trunk %q, %s: exchange %s, client %s, carrier %s, operators %s":     "транк %q, %s: станция %s, клиент %s, сеть %s, операторы %s",
	"%d leaks in %d fields, packets, pages and logs that were looked at": "утечек: %d; просмотрено полей, пакетов, страниц и журналов: %d",
	"NOT PROVEN: %s: %v":    "НЕ ДОКАЗАНО: %s: %v",
	"LEAK: %s: and %d more": "УТЕЧКА: %s: и ещё %d",
	"LEAK: %s: to the %s, in %s: %s, written as %s: %.200q": "УТЕЧКА: %s: %s, в %s: %s, как %s: %.200q",

	"%s: what the parties of masked calls, and operators, learn of each other": "%s: что стороны скрытых вызовов и операторы узнают друг о друге",
	"masking is proven for every trunk: 0 leaks, 0 alarms of the guard":        "маскировка доказана на каждом транке: 0 утечек, 0 тревог сторожа",
	"the guard had to keep %d messages from telling: a fault of Cabline":       "сторож остановил сообщений: %d; это ошибка Cabline",
	"masking is not proven for %d of %d trunks":                                "маскировка не доказана на транках: %d из %d",
}

// maxShown is how many leaks of one flow are written out.
const maxShown = 5

// Write prints the certificate.
func (c Certificate) Write(to io.Writer, t Tongue) {
	line := func(phrase string, values ...any) { fmt.Fprintln(to, t.Say(phrase, values...)) }
	line("trunk %q, %s: exchange %s, client %s, carrier %s, operators %s",
		c.Trunk, time.Now().Format("2006-01-02 15:04"), c.At.SIP, c.At.Client, c.At.Carrier, c.At.Desk)
	fmt.Fprintf(to, "\n%-31s", t.Say("flow"))
	for _, column := range columns {
		fmt.Fprintf(to, "%14s", t.Say(column))
	}
	fmt.Fprintln(to)
	var looked, leaks int
	for _, r := range c.Rows {
		fmt.Fprintf(to, "%-31s", t.Say(r.Flow))
		switch {
		case r.Skipped != "":
			fmt.Fprint(to, "  ", t.Say(r.Skipped))
		default:
			for field := range columns {
				fmt.Fprintf(to, "%14s", r.cell(field, t))
				looked += r.Looked[field]
			}
		}
		fmt.Fprintln(to)
		leaks += len(r.Leaks)
	}
	fmt.Fprintln(to)
	line("%d leaks in %d fields, packets, pages and logs that were looked at", leaks, looked)
	for _, r := range c.Rows {
		if r.Err != nil {
			line("NOT PROVEN: %s: %v", t.Say(r.Flow), r.Err)
		}
		for i, l := range r.Leaks {
			if i == maxShown {
				line("LEAK: %s: and %d more", t.Say(r.Flow), len(r.Leaks)-i)
				break
			}
			line("LEAK: %s: to the %s, in %s: %s, written as %s: %.200q", t.Say(r.Flow), t.Say(l.To), l.Field, l.Secret, l.As, l.Wire.Bytes)
		}
	}
}

// cell is how many were looked at, and how many leaked.
func (r Row) cell(field int, t Tongue) string {
	leaks := 0
	for _, l := range r.Leaks {
		if l.column == field {
			leaks++
		}
	}
	if leaks > 0 {
		return t.Say("%d LEAKS of %d", leaks, r.Looked[field])
	}
	return t.Say("%d of %d", leaks, r.Looked[field])
}
