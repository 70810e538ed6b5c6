/** The demo account's knowledge: a small lamp shop, in two languages. */
export const demoKnowledge: { title: string; text: string }[] = [
  {
    title: 'Returns and refunds',
    text: `You have 30 days from delivery to return a lamp. The lamp must be unused and in its original box.
Send it back with the label that came in the parcel; the return is free within the European Union.
Refunds are paid to the original means of payment within 5 working days of the lamp reaching us.
Bulbs can't be returned once the blister has been opened.`,
  },
  {
    title: 'Shipping',
    text: `Orders placed before 14:00 leave our workshop in Lisbon on the same day.
Delivery takes 2 to 3 working days in Portugal and Spain and 4 to 6 working days in the rest of Europe.
Shipping is free from 80 EUR; below that it costs 6.90 EUR.
We do not ship outside Europe yet.`,
  },
  {
    title: 'Aurora desk lamp',
    text: `The Aurora is a dimmable desk lamp of brushed aluminium with a warm white LED of 9 watts (2700 K, 800 lumen).
It costs 129 EUR and comes in sage, sand and black. The arm reaches 62 cm; the base weighs 1.4 kg.
The LED module can be replaced without tools and is rated for 25,000 hours.
The Aurora has a guarantee of 5 years.`,
  },
  {
    title: 'Lumen floor lamp',
    text: `The Lumen is a floor lamp of 165 cm with a shade of woven linen and an oak foot. It costs 249 EUR.
It takes one E27 bulb of up to 15 watts, which is not included. The switch is on the cable.
The Lumen has a guarantee of 2 years.`,
  },
  {
    title: 'شرایط بازگشت کالا',
    text: `شما تا ۳۰ روز پس از تحویل می‌توانید چراغ را بازگردانید. چراغ باید استفاده نشده و در جعبه اصلی باشد.
هزینه بازگشت در اتحادیه اروپا رایگان است. مبلغ ظرف ۵ روز کاری به حساب شما برمی‌گردد.`,
  },
];
