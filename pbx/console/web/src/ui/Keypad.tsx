export const keypadDigits = [...'123456789*0#'];

export function Keypad(props: { onKey: (digit: string) => void; testid?: string }) {
  const name = (digit: string) => (digit === '*' ? 'star' : digit === '#' ? 'hash' : digit);
  return (
    <div class="keypad" role="group">
      {keypadDigits.map((digit) => (
        <button type="button" key={digit} class="key" data-testid={`${props.testid ?? 'key'}-${name(digit)}`}
          onClick={() => props.onKey(digit)}>{digit}</button>
      ))}
    </div>
  );
}
