{{/* A Job that runs before an install or upgrade. Takes `root`, `component`, `values`, `args`, `weight`.

Hooks run before everything else of a release exists. Hence the settings are a hook themselves, the secrets are made beforehand, and the
account is the namespace's default unless one is named that is not made here. */}}

{{- define "loki-ops.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "loki-ops.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "loki-ops.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: {{ .weight | quote }}
    # the last one stays, so that its log can be read
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: {{ int .values.backoffLimit }}
  activeDeadlineSeconds: {{ int .values.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "loki-ops.podLabels" . | nindent 8 }}
      {{- with .root.Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "loki-ops.pod" . | nindent 6 }}
      {{- if and .root.Values.serviceAccount.name (not .root.Values.serviceAccount.create) }}
      serviceAccountName: {{ .root.Values.serviceAccount.name }}
      {{- end }}
      restartPolicy: Never
      containers:
        - name: {{ .component }}
          args:
            {{- toYaml .args | nindent 12 }}
          {{- include "loki-ops.container" . | nindent 10 }}
          resources:
            requests: { cpu: 50m, memory: 64Mi }
            limits: { memory: 256Mi }
      volumes:
        {{- include "loki-ops.volumes" (dict "root" .root "settings" (printf "%s-hooks" (include "loki-ops.fullname" .root))) | nindent 8 }}
{{- end -}}
