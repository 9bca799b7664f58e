"""How residuald gets on with brokers: real ones, one after the other, with counts of what was lost or came twice."""
